"""The commands of ``dropoff``, a module for each kind; ``cli`` puts them together.

Every command is a few lines that call one function. Libraries are imported inside the commands, so that
``dropoff --help`` starts at once.
"""
