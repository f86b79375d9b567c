"""What serving and history take on this machine, and how well a simulation made of that says what was measured.

python -m benchmarks capacity                    # measure, plan and check, some ten minutes on a quiet machine
python -m benchmarks.capacity --out costs.json   # and keep the costs, for: dropoff capacity --costs costs.json
python -m benchmarks.capacity --keep             # and let the costs, docs/scaling.md and its pictures be these
"""
