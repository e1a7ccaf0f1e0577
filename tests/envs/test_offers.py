import gymnasium as gym

from gbplan.envs import env_attribute


def test_attribute_is_found_in_native_and_separate_rows_and_beneath_wrappers():
    for mode in ("vector_entry_point", "sync"):
        envs = gym.make_vec("DoorWall-v0", num_envs=2, vectorization_mode=mode, door_center=0.25)
        for wrapped in (envs, gym.wrappers.vector.RecordEpisodeStatistics(envs)):
            assert env_attribute(wrapped, "world").door_center == 0.25
            assert env_attribute(wrapped, "no_such_thing") is None


def test_attribute_of_a_wrapper_around_each_row_is_found():
    class Named(gym.Wrapper):
        nickname = "wrapped"

    envs = gym.make_vec("DoorWall-v0", num_envs=2, vectorization_mode="sync", wrappers=[Named])
    assert env_attribute(envs, "nickname") == "wrapped"
