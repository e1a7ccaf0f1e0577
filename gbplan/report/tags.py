"""Names of curves in TensorBoard: Lightning's names behind a group.

TensorBoard sorts groups by name, hence the numbers. ``monitor`` and other loggers use the plain names.
"""

GROUPS = {
    "1_success": ("success",),
    "2_belief": ("believed_success",),
    "3_gap": ("gap",),
    "4_loss": ("loss",),
}
"""Last parts of the names in each group, in the order of TensorBoard's first page."""

REST = "5_more"


def tag_of(name: str) -> str:
    """Return TensorBoard's tag of a name in Lightning: ``4_loss/val/loss`` for ``val/loss``."""
    _, _, quantity = name.partition("/")
    group = next((group for group, members in GROUPS.items() if quantity in members), REST)
    return f"{group}/{name}"


def name_of(tag: str) -> str:
    """Return the name behind a tag; the tag itself if another logger wrote it."""
    group, _, name = tag.partition("/")
    return name if group in (*GROUPS, REST) else tag
