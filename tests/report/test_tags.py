import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from gbplan.report.tags import GROUPS, REST, name_of, tag_of


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("val/success", "1_success/val/success"),
        ("online/success_low", "5_more/online/success_low"),
        ("val/believed_success", "2_belief/val/believed_success"),
        ("online/gap", "3_gap/online/gap"),
        ("train/loss", "4_loss/train/loss"),
        ("val/rollout_error/5", "5_more/val/rollout_error/5"),
        ("online/success/detour/mpc", "5_more/online/success/detour/mpc"),
        ("epoch", "5_more/epoch"),
    ],
)
def test_few_telling_curves_come_first_and_keep_their_names(name, tag):
    assert tag_of(name) == tag
    assert name_of(tag) == name
    assert name_of(name) == name  # of another logger


def test_every_curve_of_a_training_is_in_a_group_and_charts_are_described(base_run):
    events = EventAccumulator(str(base_run)).Reload()
    groups = {tag.partition("/")[0] for tag in events.Tags()["scalars"]}
    assert groups == {"4_loss", REST}
    (layout,) = events.Tensors("custom_scalars__config__")
    (category,) = Layout.FromString(layout.tensor_proto.string_val[0]).category
    bands = [series.value for chart in category.chart for series in chart.margin.series]
    assert bands == [tag_of("val/success"), tag_of("online/success")]
    lines = [tag for chart in category.chart for tag in chart.multiline.tag]
    assert [line.partition("/")[0] for line in lines] == [*GROUPS][1:]
