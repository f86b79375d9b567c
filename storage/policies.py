"""Published policies: folders that the service reads, and an atomic pointer to the one that is live.

Layout: ``HOME/policies/JOURNEY/VERSION/``, ``HOME/policies/JOURNEY/live`` and ``live.jsonl`` (``storage.registry``).
"""

from storage.registry import PointerMoved, Registry, VersionNotFound


class PolicyNotFound(VersionNotFound):
    """There is no such policy; the text says which command makes one."""


class LiveMoved(PointerMoved):
    """Another policy went live meanwhile, so that what was decided no longer holds."""


POLICIES = Registry(
    area="policies",
    thing="policy",
    pointer="live",
    history_name="live.jsonl",
    make="dropoff policy train {journey}",
    look="dropoff policy list {journey}",
    not_found=PolicyNotFound,
    moved=LiveMoved,
)
publish_policy = POLICIES.publish
policy_folder = POLICIES.folder
policy_versions = POLICIES.versions
point_live = POLICIES.point
withdraw_live = POLICIES.withdraw
live_history = POLICIES.history
live_version = POLICIES.pointed
