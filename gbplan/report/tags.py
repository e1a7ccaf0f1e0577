"""What curves are called in TensorBoard: as in Lightning, behind a group that says what they are about.

TensorBoard orders groups by their names, hence the numbers. ``monitor`` and other loggers know the plain names.
"""

GROUPS = {
    "1_success": ("success",),
    "2_belief": ("believed_success",),
    "3_gap": ("gap",),
    "4_loss": ("loss",),
}
"""By group, what the names in it end with, in the order of TensorBoard's first page."""

REST = "5_more"


def tag_of(name: str) -> str:
    """TensorBoard's tag of a name in Lightning: ``4_loss/val/loss`` of ``val/loss``."""
    _, _, quantity = name.partition("/")
    group = next((group for group, members in GROUPS.items() if quantity in members), REST)
    return f"{group}/{name}"


def name_of(tag: str) -> str:
    """The name behind a tag, or the tag itself, if another logger wrote it."""
    group, _, name = tag.partition("/")
    return name if group in (*GROUPS, REST) else tag
