# What the host does at its first start. Above this stand the settings: NAME='value' lines, no secrets among them.
set -euo pipefail
data=/var/lib/sightsound

dnf install -y -q docker
systemctl enable --now docker

# The data volume outlives this host: a filesystem is made on it only where there is none.
device="/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${DATA_VOLUME//-/}"
for _ in $(seq 300); do
    [ -e "$device" ] && break
    sleep 2
done
[ -e "$device" ] || { echo "The data volume $DATA_VOLUME was not attached within ten minutes" >&2; exit 1; }
[ -n "$(lsblk -no FSTYPE "$device")" ] || mkfs.xfs "$device"
mkdir -p "$data"
grep -q " $data " /etc/fstab || echo "$device $data xfs defaults,nosuid,nodev,noexec,nofail 0 2" >> /etc/fstab
mountpoint -q "$data" || mount "$data"
rm -rf "$data/tmp"
install -d -m 700 -o "$CONTAINER_USER" -g "$CONTAINER_USER" "$data/home" "$data/tmp"

# Settings for the container, known to everyone; secrets come to a file in memory each time something starts.
mkdir -p /etc/sightsound
cat > /etc/sightsound/settings <<SETTINGS
AWS_REGION=$REGION
AWS_DEFAULT_REGION=$REGION
SIGHTSOUND_COLLECTION=$COLLECTION
SIGHTSOUND_SITE_LOGS=json
SIGHTSOUND_SITE_HOSTS=$SITE_HOSTS
SETTINGS
[ -z "$ELASTICSEARCH_URL" ] || echo "SIGHTSOUND_STORE=$ELASTICSEARCH_URL" >> /etc/sightsound/settings
if [ -n "$ELASTICSEARCH_CA" ]; then
    printf '%s\n' "$ELASTICSEARCH_CA" > /etc/sightsound/elasticsearch-ca.pem
    echo "ELASTICSEARCH_CA_CERT=/etc/sightsound/elasticsearch-ca.pem" >> /etc/sightsound/settings
fi

cat > /usr/local/sbin/sightsound-ready <<READY
#!/bin/bash
# Before each start: the secrets, as they are now, and the image.
set -euo pipefail
umask 077
mkdir -p /run/sightsound
new=\$(mktemp /run/sightsound/new.XXXXXX)
secret() {
    local value
    [ -n "\$2" ] || return 0
    value=\$(aws secretsmanager get-secret-value --region '$REGION' --secret-id "\$2" --query SecretString --output text)
    printf '%s=%s\n' "\$1" "\$value" >> "\$new"
}
secret SIGHTSOUND_API_KEY '$SITE_KEY_ARN'
secret ELASTICSEARCH_API_KEY '$ELASTICSEARCH_KEY_ARN'
mv "\$new" /run/sightsound/secrets
docker image inspect '$IMAGE' > /dev/null 2>&1 && exit
case '$IMAGE' in
    *.dkr.ecr.*) aws ecr get-login-password --region '$REGION' \\
        | docker login --username AWS --password-stdin '${IMAGE%%/*}' > /dev/null ;;
esac
docker pull --quiet '$IMAGE'
READY

# The container shares the host's network: so the role's credentials are reached at hop limit 1, and by no other container.
cat > /usr/local/bin/sightsound <<RUN
#!/bin/bash
# sightsound COMMAND…: the command line, in the container, on this host's collection.
set -euo pipefail
terminal=(--interactive) logs=(none)
[ ! -t 0 ] || terminal=(--interactive --tty)
if [ -n "\${SIGHTSOUND_UNIT:-}" ]; then
    terminal=()
    docker rm --force "\$SIGHTSOUND_UNIT" > /dev/null 2>&1 || true # of a machine that lost its power
    logs=(awslogs --log-opt awslogs-region='$REGION' --log-opt awslogs-group='$LOG_GROUP' --log-opt tag="\$SIGHTSOUND_UNIT/{{.ID}}")
else
    /usr/local/sbin/sightsound-ready
fi
exec docker run --rm "\${terminal[@]}" --init --name "\${SIGHTSOUND_UNIT:-command-\$\$}" \\
    --network host --user '$CONTAINER_USER:$CONTAINER_USER' \\
    --read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 1024 \\
    --volume $data/home:/data --volume $data/tmp:/tmp --volume /etc/sightsound:/etc/sightsound:ro \\
    --env-file /etc/sightsound/settings --env-file /run/sightsound/secrets \\
    --log-driver "\${logs[@]}" '$IMAGE' "\$@"
RUN
chmod 755 /usr/local/sbin/sightsound-ready /usr/local/bin/sightsound

unit() {
    cat > "/etc/systemd/system/$1"
}

unit sightsound.service <<UNIT
[Unit]
Description=The sightsound site
Requires=docker.service
After=docker.service network-online.target
RequiresMountsFor=$data

[Service]
Environment=SIGHTSOUND_UNIT=site
ExecStartPre=/usr/local/sbin/sightsound-ready
ExecStart=/usr/local/bin/sightsound serve --host $ADDRESS --port $PORT
ExecStop=/usr/bin/docker stop --time 10 site
Restart=always
RestartSec=15

[Install]
WantedBy=multi-user.target
UNIT

# What keeps the collection current: this host's own index run, or the backup that another one made.
timed() {
    unit "$1.service" <<UNIT
[Unit]
Description=$2
Requires=docker.service
After=docker.service network-online.target
RequiresMountsFor=$data

[Service]
Type=oneshot
ExecStartPre=/usr/local/sbin/sightsound-ready
$4
UNIT
    unit "$1.timer" <<UNIT
[Unit]
Description=$2

[Timer]
OnBootSec=1min
OnCalendar=$3
Persistent=true

[Install]
WantedBy=timers.target
UNIT
}

units=(sightsound.service)
case "$STORE" in
    own)
        timed sightsound-index "Index the media bucket, then back the collection up" "$INDEX_CALENDAR" \
            "Environment=SIGHTSOUND_UNIT=index
# 3: some files could not be read; the rest is there.
SuccessExitStatus=3
ExecStart=/usr/local/bin/sightsound index $MEDIA --wait
ExecStart=/usr/local/bin/sightsound backup $BACKUP --yes"
        units+=(sightsound-index.timer)
        ;;
    backup)
        timed sightsound-restore "Bring the newest backup of the collection" "*:0/5" \
            "Environment=SIGHTSOUND_UNIT=restore
ExecStart=/usr/local/bin/sightsound restore $BACKUP --yes --collection $COLLECTION"
        units+=(sightsound-restore.timer)
        ;;
esac
systemctl daemon-reload
systemctl enable --now --no-block "${units[@]}"
