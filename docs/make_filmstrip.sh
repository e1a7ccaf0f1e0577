# Makes docs/figures/filmstrip.png and .gif: an episode as executed and as a model with a decoder imagines it.
# Data and models that are in runs/ already are kept; without them it takes some four minutes.
set -e
configs=configs/door_wall_pixels
folder=runs/pixels/evaluate/base_decoder
gbplan collect --keep --config $configs/collect.yaml
gbplan fit --keep --config $configs/base.yaml --config $configs/encoder.yaml
gbplan fit --keep --config $configs/base.yaml --config $configs/decoder.yaml
gbplan evaluate --keep --config $configs/evaluate.yaml --agent configs/agents/gradient_blocks_mpc.yaml \
	--ckpt_path runs/pixels/base_decoder/best.ckpt --output $folder
for kind in png gif; do cp $folder/filmstrip-detour.$kind docs/figures/filmstrip.$kind; done
