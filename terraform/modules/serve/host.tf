# mode = host: one machine, a volume that outlives it, and a systemd unit that runs the container.

locals {
  graviton = can(regex("^[a-z]+[0-9]+[a-z]*g[a-z]*(-[a-z0-9]+)?\\.", var.instance_type))

  settings = local.host == 0 ? {} : {
    ADDRESS               = length(var.site_cidrs) == 0 ? "127.0.0.1" : "0.0.0.0"
    BACKUP                = local.backup
    COLLECTION            = var.collection
    CONTAINER_USER        = var.container_user
    DATA_VOLUME           = aws_ebs_volume.data[0].id
    ELASTICSEARCH_CA      = try(var.elasticsearch.ca_certificate, "")
    ELASTICSEARCH_KEY_ARN = try(var.elasticsearch.api_key_secret_arn, "")
    ELASTICSEARCH_URL     = try(var.elasticsearch.url, "")
    IMAGE                 = var.image
    INDEX_CALENDAR        = var.index_calendar
    LOG_GROUP             = aws_cloudwatch_log_group.site.name
    MEDIA                 = local.media
    PORT                  = var.port
    REGION                = data.aws_region.current.name
    SITE_HOSTS            = join(",", concat(var.site_hosts, aws_eip.host[*].public_ip))
    SITE_KEY_ARN          = var.site_key_secret_arn == null ? "" : var.site_key_secret_arn
    STORE                 = var.store
  }
}

data "aws_subnet" "host" {
  count = local.host

  id = var.subnet_ids[0]
}

data "aws_ssm_parameter" "ami" {
  count = local.host

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.graviton ? "arm64" : "x86_64"}"
}

resource "aws_security_group" "host" {
  count = local.host

  name        = "${var.name}-site"
  description = "The site's port, and nothing else"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-site" }
}

resource "aws_vpc_security_group_ingress_rule" "host" {
  for_each = local.host == 1 ? toset(var.site_cidrs) : []

  security_group_id = aws_security_group.host[0].id
  description       = "The site"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.port
  to_port           = var.port
}

resource "aws_vpc_security_group_egress_rule" "host" {
  count = local.host

  security_group_id = aws_security_group.host[0].id
  description       = "S3, SSM, the registry, packages"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_iam_role" "host" {
  count = local.host

  name = "${var.name}-site"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  for_each = local.host == 0 ? {} : {
    data  = data.aws_iam_policy_document.data.json
    start = data.aws_iam_policy_document.start.json
    shell = data.aws_iam_policy_document.shell.json
  }

  name   = each.key
  role   = aws_iam_role.host[0].id
  policy = each.value
}

# What Session Manager needs, and no more: Amazon's own policy for it also reads every parameter of the account.
data "aws_iam_policy_document" "shell" {
  statement {
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"] # these can't be narrowed
  }
}

resource "aws_iam_instance_profile" "host" {
  count = local.host

  name = "${var.name}-site"
  role = aws_iam_role.host[0].name
}

# Where others reach the host, its address stays the same when the machine is replaced.
resource "aws_eip" "host" {
  count = local.host == 1 && var.public_ip && length(var.site_cidrs) > 0 ? 1 : 0

  domain = "vpc"

  tags = { Name = "${var.name}-site" }
}

resource "aws_eip_association" "host" {
  count = length(aws_eip.host)

  allocation_id = aws_eip.host[0].id
  instance_id   = aws_instance.host[0].id
}

# Not the instance's own: it stays when the machine is replaced. Destroyed, it leaves a snapshot.
resource "aws_ebs_volume" "data" {
  count = local.host

  availability_zone = data.aws_subnet.host[0].availability_zone
  size              = var.data_gb
  type              = "gp3"
  encrypted         = true
  final_snapshot    = true

  tags = { Name = "${var.name}-data" }
}

resource "aws_instance" "host" {
  count = local.host

  ami                         = data.aws_ssm_parameter.ami[0].insecure_value
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_ids[0]
  associate_public_ip_address = var.public_ip
  vpc_security_group_ids      = [aws_security_group.host[0].id]
  iam_instance_profile        = aws_iam_instance_profile.host[0].name
  key_name                    = var.key_name
  user_data_replace_on_change = true

  # In base64, the plan and the state show it whole, where else they would show a checksum.
  user_data_base64 = base64encode(join("\n", concat(
    ["#!/bin/bash"],
    [for name, value in local.settings : "${name}='${replace(value, "'", "")}'"],
    [file("${path.module}/host.sh")],
  )))

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 30
    encrypted   = true
  }

  tags = { Name = "${var.name}-site" }

  # A newer AMI is taken when you ask for it: terraform apply -replace=ADDRESS.
  lifecycle {
    ignore_changes = [ami]
  }

  depends_on = [aws_iam_role_policy.host]
}

resource "aws_volume_attachment" "data" {
  count = local.host

  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data[0].id
  instance_id                    = aws_instance.host[0].id
  stop_instance_before_detaching = true
}
