#!/bin/sh
# The steps of docker/Dockerfile that install something.
#     install.sh tools | lists | package FOLDER | libraries VARIANT [TORCH_INDEX] | components
set -eu
tools=/opt/tools
pip="$tools/venv/bin/python -m pip --disable-pip-version-check"
into="--python /opt/sightsound/bin/python"
light=elasticsearch,heic,s3,video
full=$light,audio,clip,hf
export PIP_CACHE_DIR=/root/.cache/pip PIP_ROOT_USER_ACTION=ignore PIP_QUIET=1
[ -f /run/secrets/pip ] && export PIP_CONFIG_FILE=/run/secrets/pip

case $1 in
tools)
    $pip install -r "$tools/tools.txt"
    ;;
lists)  # what each image needs of other packages
    mkdir -p "$tools/lists"
    list() { "$tools/venv/bin/python" "$tools/requirements.py" "$tools/pyproject.toml" "$2" >"$tools/lists/$1.txt"; }
    list light "$light"
    list light-all "$light,eval"
    list full "$full"
    list full-all "$full,eval"
    list gpu "$full,eval"
    ;;
package)  # sightsound itself, alone in /opt/sightsound
    # shellcheck disable=SC2086  # several words are meant
    $pip $into install --no-deps "$2"
    ;;
libraries)
    [ "$2" = full ] && from="--extra-index-url $3" || from=""
    # shellcheck disable=SC2086
    $pip $into install $from -r /opt/sightsound/requirements.txt
    ;;
components)  # the list of what is in the image: a CycloneDX SBOM
    "$tools/venv/bin/cyclonedx-py" environment --output-format JSON --output-reproducible \
        --output-file /opt/sightsound/sbom.cdx.json /opt/sightsound/bin/python
    ;;
esac
