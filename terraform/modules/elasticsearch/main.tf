# Three nodes of Elasticsearch, one a zone where there are three. What they know lies on volumes that outlive them.

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  domain   = "${var.name}.internal"
  nodes    = [for number in range(3) : "es-${number}.${local.domain}"]
  graviton = can(regex("^[a-z]+[0-9]+[a-z]*g[a-z]*(-[a-z0-9]+)?\\.", var.instance_type))

  settings = [
    for number, node in local.nodes : {
      BUCKET       = var.snapshot_bucket
      CLUSTER      = var.name
      DATA_VOLUME  = aws_ebs_volume.data[number].id
      DAYS         = var.snapshot_days
      FIRST        = number == 0 ? "yes" : "no"
      IMAGE        = var.image
      KEY_ARN      = aws_secretsmanager_secret.api_key.arn
      LOG_GROUP    = aws_cloudwatch_log_group.this.name
      NODE         = node
      NODES        = join(",", local.nodes)
      PASSWORD_ARN = var.password_secret_arn
      REGION       = data.aws_region.current.name
      TLS_ARN      = var.tls_secret_arn
    }
  ]
}

data "aws_subnet" "node" {
  count = 3

  id = element(var.subnet_ids, count.index)
}

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${local.graviton ? "arm64" : "x86_64"}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/elasticsearch"
  retention_in_days = var.log_days
}

# Empty here, so that no state holds it: the first node makes the key and puts it in.
resource "aws_secretsmanager_secret" "api_key" {
  name_prefix             = "${var.name}-elasticsearch-api-key-"
  description             = "By which the site and index runs come to Elasticsearch; made by the first node"
  recovery_window_in_days = 7
}

# Names that a certificate can be made for before there are addresses.
resource "aws_route53_zone" "this" {
  name = local.domain

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "node" {
  count = 3

  zone_id = aws_route53_zone.this.zone_id
  name    = local.nodes[count.index]
  type    = "A"
  ttl     = 30
  records = [aws_instance.node[count.index].private_ip]
}

resource "aws_security_group" "this" {
  name        = "${var.name}-elasticsearch"
  description = "Elasticsearch, for the site and index runs"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-elasticsearch" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "HTTPS of ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 9200
  to_port                      = 9200
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  for_each = { transport = 9300, http = 9200 }

  security_group_id            = aws_security_group.this.id
  description                  = "Among the nodes"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_egress_rule" "this" {
  security_group_id = aws_security_group.this.id
  description       = "S3, SSM, secrets, the image"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_ebs_volume" "data" {
  count = 3

  availability_zone = data.aws_subnet.node[count.index].availability_zone
  size              = var.data_gb
  type              = "gp3"
  encrypted         = true
  final_snapshot    = true

  tags = { Name = "${var.name}-es-${count.index}" }
}

resource "aws_instance" "node" {
  count = 3

  ami                         = data.aws_ssm_parameter.ami.insecure_value
  instance_type               = var.instance_type
  subnet_id                   = element(var.subnet_ids, count.index)
  associate_public_ip_address = false
  vpc_security_group_ids      = [aws_security_group.this.id]
  iam_instance_profile        = aws_iam_instance_profile.node[count.index == 0 ? "first" : "other"].name

  user_data_base64 = base64encode(join("\n", concat(
    ["#!/bin/bash"],
    [for name, value in local.settings[count.index] : "${name}='${value}'"],
    [file("${path.module}/node.sh")],
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

  tags = { Name = "${var.name}-es-${count.index}" }

  # Nodes are replaced one by one, when you ask for it: terraform apply -replace=ADDRESS, then wait for green.
  lifecycle {
    ignore_changes = [ami, user_data_base64]
  }

  depends_on = [aws_iam_role_policy.node]
}

resource "aws_volume_attachment" "data" {
  count = 3

  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data[count.index].id
  instance_id                    = aws_instance.node[count.index].id
  stop_instance_before_detaching = true
}
