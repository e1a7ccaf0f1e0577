"""Pictures of the room, seen from above: see `planar`."""

from functools import lru_cache

from gbplan.envs.door_wall.contact import HALF_SIZE
from gbplan.envs.door_wall.world import World
from gbplan.envs.planar import BACKGROUND, WALL, Scene

# World units. A pixel of a 64-pixel picture is 1 / 15, so that borders and wall end between pixels there.
VIEW = 32 / 15  # half the width of the view: the room and, outside it, its borders
WALL_RADIUS = 1 / 15  # half the thickness of the wall as drawn
AGENT_RADIUS = 0.1

DOOR = (176, 224, 176)


def scene_of(world: World) -> Scene:
    """Return the room with wall and door."""
    return room(world.door_low, world.door_high)


@lru_cache(maxsize=128)
def room(door_low: float, door_high: float, wall: float = 0.0) -> Scene:
    """Return the room with a wall at ``x = wall`` and its door."""
    across, thick = (-HALF_SIZE, HALF_SIZE), (wall - WALL_RADIUS, wall + WALL_RADIUS)
    layers = (BACKGROUND, ((across, across),)), (WALL, ((thick, across),)), (DOOR, ((thick, (door_low, door_high)),))
    return Scene(VIEW, AGENT_RADIUS, WALL, layers)
