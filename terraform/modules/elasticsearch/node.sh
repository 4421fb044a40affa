# What a node does at its first start. Above this stand the settings: NAME='value' lines, no secrets among them.
set -euo pipefail
data=/var/lib/elasticsearch
uid=1000 # the user of Elastic's image

dnf install -y -q docker jq
systemctl enable --now docker
echo vm.max_map_count=1048576 > /etc/sysctl.d/elasticsearch.conf
sysctl --quiet --system

# The data volume outlives this machine: a filesystem is made on it only where there is none.
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
install -d -m 700 -o "$uid" -g 0 "$data/nodes"

# Secrets lie in memory, and come anew with each start.
cat > /usr/local/sbin/elasticsearch-ready <<READY
#!/bin/bash
set -euo pipefail
umask 077
secret() {
    aws secretsmanager get-secret-value --region '$REGION' --secret-id "\$1" --query SecretString --output text
}
install -d -m 700 -o $uid -g 0 /run/elasticsearch /run/elasticsearch/tls
tls=\$(secret '$TLS_ARN')
for part in ca certificate key; do
    jq --raw-output --exit-status ".\$part" <<< "\$tls" > "/run/elasticsearch/tls/\$part.pem"
done
password=\$(secret '$PASSWORD_ARN')
printf '%s' "\$password" > /run/elasticsearch/password
chmod 400 /run/elasticsearch/password /run/elasticsearch/tls/*.pem
chown -R $uid:0 /run/elasticsearch
token=\$(curl --fail --silent --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
curl --fail --silent --header "X-aws-ec2-metadata-token: \$token" \\
    http://169.254.169.254/latest/meta-data/local-ipv4 > /run/elasticsearch/address
docker rm --force elasticsearch > /dev/null 2>&1 || true
docker image inspect '$IMAGE' > /dev/null 2>&1 || docker pull --quiet '$IMAGE'
READY

# initial_master_nodes counts only until the three have found each other once: a node with an empty disk joins the others.
cat > /usr/local/sbin/elasticsearch-run <<RUN
#!/bin/bash
set -euo pipefail
exec docker run --rm --init --name elasticsearch --network host --user $uid:0 --cap-drop ALL \\
    --security-opt no-new-privileges --ulimit nofile=65535:65535 --stop-timeout 120 \\
    --volume $data/nodes:/usr/share/elasticsearch/data \\
    --volume /run/elasticsearch/tls:/usr/share/elasticsearch/config/tls:ro \\
    --volume /run/elasticsearch/password:/run/secrets/password:ro \\
    --env ELASTIC_PASSWORD_FILE=/run/secrets/password \\
    --env cluster.name='$CLUSTER' \\
    --env node.name='$NODE' \\
    --env network.bind_host=0.0.0.0 \\
    --env network.publish_host="\$(cat /run/elasticsearch/address)" \\
    --env discovery.seed_hosts='$NODES' \\
    --env cluster.initial_master_nodes='$NODES' \\
    --env xpack.security.enabled=true \\
    --env xpack.security.transport.ssl.enabled=true \\
    --env xpack.security.transport.ssl.verification_mode=certificate \\
    --env xpack.security.transport.ssl.key=tls/key.pem \\
    --env xpack.security.transport.ssl.certificate=tls/certificate.pem \\
    --env xpack.security.transport.ssl.certificate_authorities=tls/ca.pem \\
    --env xpack.security.http.ssl.enabled=true \\
    --env xpack.security.http.ssl.key=tls/key.pem \\
    --env xpack.security.http.ssl.certificate=tls/certificate.pem \\
    --log-driver awslogs --log-opt awslogs-region='$REGION' --log-opt awslogs-group='$LOG_GROUP' \\
    --log-opt awslogs-stream='$NODE' \\
    '$IMAGE'
RUN

# Once the cluster is up: where snapshots go, when they are made, and the key by which the site and index runs come.
cat > /usr/local/sbin/elasticsearch-setup <<'SETUP'
#!/bin/bash
set -euo pipefail
. /etc/elasticsearch-setup
ask() {
    local method=$1 path=$2
    shift 2
    curl --fail-with-body --silent --show-error --cacert /run/elasticsearch/tls/ca.pem \
        --config <(printf 'user = "elastic:%s"\n' "$(cat /run/elasticsearch/password)") \
        --request "$method" --header 'Content-Type: application/json' "https://$NODE:9200$path" "$@"
}
until ask GET '/_cluster/health?wait_for_nodes=3&wait_for_status=yellow&timeout=30s' > /dev/null; do
    sleep 5
done
ask PUT /_snapshot/bucket --data "{\"type\":\"s3\",\"settings\":{\"bucket\":\"$BUCKET\",\"base_path\":\"elasticsearch\"}}"
ask PUT /_slm/policy/nightly --data "{\"schedule\":\"0 30 2 * * ?\",\"name\":\"<night-{now/d}>\",\"repository\":\"bucket\",
    \"config\":{\"include_global_state\":true},\"retention\":{\"expire_after\":\"${DAYS}d\",\"min_count\":3}}"
# A key that is there already is kept.
if ! aws secretsmanager get-secret-value --region "$REGION" --secret-id "$KEY_ARN" > /dev/null 2>&1; then
    answer=$(ask POST /_security/api_key --data '{"name":"sightsound","role_descriptors":{"sightsound":{
        "cluster":["monitor"],"indices":[{"names":["sightsound-*"],"privileges":["all"]}]}}}')
    umask 077
    jq --join-output --exit-status .encoded <<< "$answer" > /run/elasticsearch/key
    aws secretsmanager put-secret-value --region "$REGION" --secret-id "$KEY_ARN" \
        --secret-string file:///run/elasticsearch/key > /dev/null
    rm /run/elasticsearch/key
fi
SETUP
chmod 755 /usr/local/sbin/elasticsearch-*
cat > /etc/elasticsearch-setup <<SETTINGS
NODE='$NODE'
REGION='$REGION'
BUCKET='$BUCKET'
DAYS='$DAYS'
KEY_ARN='$KEY_ARN'
SETTINGS

cat > /etc/systemd/system/elasticsearch.service <<UNIT
[Unit]
Description=A node of Elasticsearch
Requires=docker.service
After=docker.service network-online.target
RequiresMountsFor=$data

[Service]
ExecStartPre=/usr/local/sbin/elasticsearch-ready
ExecStart=/usr/local/sbin/elasticsearch-run
ExecStop=/usr/bin/docker stop --time 120 elasticsearch
TimeoutStopSec=150
Restart=always
RestartSec=15

[Install]
WantedBy=multi-user.target
UNIT
cat > /etc/systemd/system/elasticsearch-setup.service <<UNIT
[Unit]
Description=Snapshots and the key of the cluster
After=elasticsearch.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/elasticsearch-setup
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
UNIT
units=(elasticsearch.service)
[ "$FIRST" != yes ] || units+=(elasticsearch-setup.service)
systemctl daemon-reload
systemctl enable --now --no-block "${units[@]}"
