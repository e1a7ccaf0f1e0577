# Makes the tables, figures and numbers of README.md and docs/ from what is in runs/: `make documents`.
set -e
runs=${1:-runs}
report="gbplan report $runs/evaluate --kinds [detour] --overwrite"
methods="base finetune noise adversarial pgd online online_noise online_adversarial"
list() { echo "$*" | sed 's/ /,/g; s/.*/[&]/'; } # as yaml has it
trainings=$(list $(for each in $methods; do echo $runs/$each; done; ls -d $runs/seed* 2> /dev/null || true))

compared="base-gradient-mpc adversarial-gradient-mpc online-gradient-mpc online_adversarial-gradient-mpc"
$report --trainings "$trainings" --figures $runs/figures --names "$(list $compared online_adversarial-cem-mpc)"
gbplan report $runs/evaluate --overwrite --trainings "$trainings" --html $runs/report.html
if which chromium > /dev/null; then python docs/screenshots.py $runs; fi
for table in planners attack_sweep; do
	if test -d $runs/$table; then gbplan report $runs/$table --figures $runs/figures/$table --overwrite; fi
done
for figure in docs/figures/*.png; do # those of the pages
	name=$(basename $figure)
	made=$runs/figures/$(echo $name | sed 's:^planners-:planners/:; s:^attack_sweep-:attack_sweep/:')
	if test -e $made; then cp $made $figure; fi
done
python experiments/export_pretrained.py $runs
gbplan demo --output docs/figures/demo.gif --overwrite
for name in see_the_gap see_the_landscape; do python examples/$name.py --output docs/figures/$name.png; done
python docs/make_cli.py
python docs/render.py --results $runs
