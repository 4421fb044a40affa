#!/bin/sh
# The demo with all extras: photographs, sounds and films in one collection, and the moments in them.
set -eu
sightsound=$1
out=$2
media=$(dirname "$0")/media
run() {
    printf '\n$ sightsound'
    for word in "$@"; do case $word in *" "*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    "$sightsound" "$@"
}

mkdir -p "$out"
echo "Indexing the demo photographs, sounds and films"
for table in media sounds films; do
    if [ -f "$media/$table.csv" ]; then run index "$media/$table.csv" --encoders starter --collection all; fi
done
run search "a dog barking" --collection all --limit 4
run search "drums" --kind sound --kind film --collection all --limit 4
run search --sound "$media/sounds/bark.ogg" --collection all --limit 3
run search "a giraffe" --kind film --collection all --limit 2 --sheet "$out/giraffes.html"
run similar "$media/films/made_animals.mp4" --collection all --limit 2
run similar "$media/sounds/music_japan.ogg" --kind sound --collection all --limit 4
run search --sound "$media/sounds/music_japan.ogg" --collection all --limit 2 \
    --cut "$out/clips" --edl "$out/drums.edl" --csv "$out/drums.csv"
printf '\nClips with their credits, and the cut list:\n  %s\n  %s\n' "$out/clips" "$out/drums.edl"
printf '\nThe same in a browser:\n  SIGHTSOUND_HOME=%s %s serve --collection all\n' "$out" "$sightsound"
