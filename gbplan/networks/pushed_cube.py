"""FetchPush's gripper and cube as points in space, and a predictor that is invariant to shifts on the table."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gbplan import checks
from gbplan.networks.encoder import Encoder
from gbplan.networks.mlp import Activation, perceptron
from gbplan.networks.normalizer import Normalizer
from gbplan.networks.predictor import Predictor

POINTS = 5
CUBE = 2  # which of them is the cube

_FAST = 3.0  # factor for velocities, which per step are several times smaller than other lengths
_STILL = 1e-3  # squared speed of a cube that counts as half moving, (units per step)^2
# Initial weights of the linear step: about FetchPush's motion without contact, since data of contact mislead.
_FREE = [[0.03, 0.6], [-0.1, 1.55]]
_BLUR = 0.1  # width of the soft edge of the reach, in units
_ENV_ACTION = 4


class PushedCubeEncoder(Encoder):
    """The 25 numbers of FetchPush as five points, ``(5, 3)``, m.

    They are the gripper, now and one step later at its present velocity; the cube, likewise; and the cube's middle
    displaced by its orientation. All numbers are then in metres, so velocities and angles, which are hard to predict in
    contact, do not outweigh places in a loss. Standardise them per channel.

    The orientation does not change when a cube is rotated onto itself. With the horizontal parts of the cube's axes as
    complex numbers u, it is half the sum of ``u ** 4``, which is ``exp(4i yaw)`` for a cube on a face, and a number for
    the tilt.
    """

    exact_goals = True

    def __init__(self, turn: float = 0.03) -> None:
        """Choose how much orientation counts.

        Args:
            turn: distance of the fifth point from the cube's middle, m, > 0.

        Raises:
            ValueError: ``turn`` is not positive.
        """
        super().__init__()
        checks.positive(turn=turn)
        self.turn = turn
        self.latent_shape = (POINTS, 3)
        self.observation_keys = ("features",)

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the five points, ``(..., 5, 3)``."""
        features = observations["features"]
        gripper, cube, angles = features[..., :3], features[..., 3:6], features[..., 11:14]
        gripper_speed = features[..., 20:23]
        cube_speed = features[..., 14:17] + gripper_speed
        return torch.stack(
            [gripper, gripper + gripper_speed, cube, cube + cube_speed, cube + self.turn * orientation(angles)], dim=-2
        )

    def encode_goal(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the desired goal itself."""
        return observations["desired_goal"]

    def goal_features(self, latent: Tensor) -> Tensor:
        """Pick the cube's middle, ``(..., 3)``."""
        return latent[..., CUBE, :]


def orientation(angles: Tensor) -> Tensor:
    """Return a cube's orientation, ``(..., 3)``, of gymnasium-robotics' angles about x, y and z, ``(..., 3)``, rad.

    The numbers are cosine and sine of four times the yaw and 0 for a cube on a face; see ``PushedCubeEncoder``.
    """
    (cos_x, cos_y, cos_z), (sin_x, sin_y, sin_z) = angles.cos().unbind(-1), angles.sin().unbind(-1)
    # Rows of the rotation matrix: x, y and z of the cube's three axes.
    x = torch.stack([cos_y * cos_z, -cos_y * sin_z, sin_y], dim=-1)
    y = torch.stack(
        [cos_x * sin_z + sin_x * sin_y * cos_z, cos_x * cos_z - sin_x * sin_y * sin_z, -sin_x * cos_y], dim=-1
    )
    z = torch.stack(
        [sin_x * sin_z - cos_x * sin_y * cos_z, sin_x * cos_z + cos_x * sin_y * sin_z, cos_x * cos_y], dim=-1
    )
    square, cross = x.square() - y.square(), 2 * x * y  # (x + iy)^2
    parts = [(square.square() - cross.square()) / 2, square * cross, z.square().square()]
    return torch.stack([part.sum(dim=-1) for part in parts], dim=-1) - angles.new_tensor([0.0, 0.0, 1.0])


class PushedCubePredictor(Predictor):
    """Moves the points of ``PushedCubeEncoder`` by a block of steps, in the same way anywhere on the table.

    A linear step predicts how the gripper would move without contact, once for each action of the block. A perceptron
    sees this path relative to the cube, the velocities, the orientation, the cube's height and the actions, and
    corrects the prediction. The cube moves only if the path comes within reach of it, or if it is already moving:
    without this rule, planners find actions by which the model moves the cube from a distance. A push that is shifted
    in x and y together with the cube has the same outcome, shifted.
    """

    reach: Tensor

    def __init__(
        self,
        steps: int,
        hidden_sizes: Sequence[int] = (256, 256, 256),
        activation: Activation = "silu",
        reach: Sequence[float] = (0.055, 0.055, 0.045),
        unit: float = 0.05,
    ) -> None:
        """Build the layers.

        Args:
            steps: environment steps n in a model step, the world model's ``action_block``.
            hidden_sizes: width of each hidden layer.
            activation: nonlinearity between the layers.
            reach: largest distances of gripper and cube in x, y and z at which they can touch, m, > 0.
            unit: unit of length inside the predictor, m, > 0; lengths that matter should be about one unit.

        Raises:
            ValueError: a number is outside its range, there are not three reaches, or the activation is unknown.
        """
        super().__init__()
        checks.at_least_one(steps=steps)
        for width in hidden_sizes:
            checks.at_least_one(hidden_sizes=width)
        if len(reach) != 3:
            raise ValueError(f"reach must be three numbers, of x, y and z, got {list(reach)}")
        checks.positive(unit=unit, reach=min(reach))
        checks.one_of(Activation, activation=activation)
        self.latent_shape, self.action_dim, self.unit = (POINTS, 3), _ENV_ACTION * steps, unit
        self.register_buffer("reach", torch.tensor(reach) / unit, persistent=False)
        self._units: tuple[Normalizer, ...] = ()  # in a tuple, so that it does not become a submodule
        inputs = 3 * (POINTS - 1) + 1 + 3 * steps + 3 * steps
        self._activations = 2 * sum(hidden_sizes) + 2 * inputs + 6 * POINTS
        self.net = perceptron(inputs, hidden_sizes, 3 * POINTS, activation)
        self.free = nn.Linear(6, 6)  # from the gripper's velocity and action to its displacement and velocity
        with torch.no_grad():
            self.free.weight.copy_(torch.kron(torch.tensor(_FREE), torch.eye(3)))
            self.free.bias.zero_()

    @property
    def activation_size(self) -> int:
        """Numbers that a step keeps for its gradient: hidden units before and after activation, and its inputs."""
        return self._activations

    def set_units(self, normalizer: Normalizer) -> None:
        """Store the world model's normaliser; see ``Predictor``.

        Raises:
            ValueError: the points do not share their moments, so that their differences would mean nothing.
        """
        if normalizer.per != "channel":
            raise ValueError(
                "PushedCubePredictor compares points, so the world model needs normalize='channel', got "
                f"{normalizer.per!r}"
            )
        self._units = (normalizer,)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Predict the next latents ``(B, 5, 3)``; see ``Predictor``."""
        (units,) = self._units
        latent = latents[:, -1]
        scale = units.latent_std / self.unit
        gripper, gripper_next, cube, cube_next, turned = (latent * scale).unbind(1)
        action = actions[:, -1] * units.action_std + units.action_mean
        pulls = action.unflatten(1, (-1, _ENV_ACTION))[..., :3]  # the fourth number does nothing
        apart, speed, cube_speed = gripper - cube, gripper_next - gripper, cube_next - cube
        place, velocity, way = apart, _FAST * speed, [apart]
        for pull in pulls.unbind(1):
            moved, velocity = self.free(torch.cat([velocity, pull], dim=1)).chunk(2, dim=1)
            place = place + moved
            way.append(place)
        seen = [*way, _FAST * speed, _FAST * cube_speed, turned - cube, cube[:, 2:], pulls.flatten(1)]
        change = self.net(torch.cat(seen, dim=1)).unflatten(1, (POINTS, 3))
        gap = (torch.stack(way, dim=1).abs() - self.reach).amax(2).amin(1)  # smallest distance beyond the reach
        moving = cube_speed.square().sum(1)
        moving = moving / (moving + _STILL)
        touched = (1 - (1 - moving) * torch.sigmoid(gap / _BLUR))[:, None, None]
        there, then = place - apart, place - apart + velocity / _FAST - speed
        outcome = torch.cat([torch.stack([there, then], dim=1) + change[:, :2], touched * change[:, 2:]], dim=1)
        predicted: Tensor = latent + outcome / scale
        return predicted
