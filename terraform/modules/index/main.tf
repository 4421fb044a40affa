# An index run as an AWS Batch job: a machine is started for it, by day or by hand, and goes when it is done.

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  size   = { 2 = "large", 4 = "xlarge", 8 = "2xlarge", 16 = "4xlarge", 32 = "8xlarge", 64 = "16xlarge" }[var.cores]
  types  = [for family in var.gpu ? ["g4dn", "g5"] : ["c6i", "c6a", "m6i", "m6a"] : "${family}.${local.size}"]
  backup = var.elasticsearch == null ? "s3://${var.index_bucket}/collections/${var.collection}" : ""

  media = var.prefix == "" ? "s3://${var.media_bucket}" : "s3://${var.media_bucket}/${var.prefix}"

  # Where the collection lies in the bucket, the machine brings it, and takes it back every 15 minutes and at the end.
  command = concat(local.backup == "" ? ["index"] : ["index-to", local.backup], [local.media, "--yes"], var.options)

  environment = {
    AWS_REGION            = data.aws_region.current.name
    ELASTICSEARCH_CA_CERT = try(var.elasticsearch.ca_certificate, "")
    SIGHTSOUND_COLLECTION = var.collection
    SIGHTSOUND_DEVICE     = var.gpu ? "cuda" : "cpu"
    SIGHTSOUND_STORE      = try(var.elasticsearch.url, "")
  }
}

resource "aws_cloudwatch_log_group" "index" {
  name              = "/${var.name}/index"
  retention_in_days = var.log_days
}

resource "aws_security_group" "index" {
  name        = "${var.name}-index"
  description = "Index runs: nothing comes in"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-index" }
}

resource "aws_vpc_security_group_egress_rule" "index" {
  security_group_id = aws_security_group.index.id
  description       = "S3, the registry, Batch, Elasticsearch"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

# Hop limit 1: the container is one hop further, so a job has the job's role and never the machine's.
resource "aws_launch_template" "index" {
  name                   = "${var.name}-index"
  update_default_version = true

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  network_interfaces {
    device_index                = 0
    associate_public_ip_address = var.public_ip
    delete_on_termination       = true
    security_groups             = [aws_security_group.index.id]
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gb
      encrypted             = true
      delete_on_termination = true
    }
  }
}

resource "aws_batch_compute_environment" "index" {
  compute_environment_name_prefix = "${var.name}-"
  type                            = "MANAGED"
  service_role                    = aws_iam_role.this["batch"].arn

  # As many cores as one run has: a second one waits, so that two never write one collection.
  compute_resources {
    type                = var.spot ? "SPOT" : "EC2"
    allocation_strategy = var.spot ? "SPOT_PRICE_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE"
    min_vcpus           = 0
    max_vcpus           = var.cores
    instance_role       = aws_iam_instance_profile.machine.arn
    instance_type       = length(var.instance_types) > 0 ? var.instance_types : local.types
    subnets             = var.subnet_ids
    security_group_ids  = [aws_security_group.index.id] # Batch takes these before the launch template's

    ec2_configuration {
      image_type = var.gpu ? "ECS_AL2023_NVIDIA" : "ECS_AL2023"
    }

    launch_template {
      launch_template_id = aws_launch_template.index.id
      version            = aws_launch_template.index.latest_version
    }
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [aws_iam_role_policy_attachment.batch]
}

resource "aws_batch_job_queue" "index" {
  name     = "${var.name}-index"
  state    = "ENABLED"
  priority = 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.index.arn
  }
}

resource "aws_batch_job_definition" "index" {
  name                  = "${var.name}-index"
  type                  = "container"
  platform_capabilities = ["EC2"]

  container_properties = jsonencode({
    image                  = var.image
    command                = local.command
    jobRoleArn             = aws_iam_role.this["job"].arn
    executionRoleArn       = aws_iam_role.this["start"].arn
    user                   = "${var.container_user}:${var.container_user}"
    readonlyRootFilesystem = true
    privileged             = false
    environment            = [for name, value in local.environment : { name = name, value = value } if value != ""]
    secrets                = [for one in var.elasticsearch[*] : { name = "ELASTICSEARCH_API_KEY", valueFrom = one.api_key_secret_arn }]
    volumes                = [{ name = "data" }, { name = "tmp" }]
    mountPoints = [
      { sourceVolume = "data", containerPath = "/data", readOnly = false },
      { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
    ]
    resourceRequirements = concat(
      [{ type = "VCPU", value = tostring(var.cores) }, { type = "MEMORY", value = tostring(var.memory) }],
      var.gpu ? [{ type = "GPU", value = "1" }] : [],
    )
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.index.name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = "index"
      }
    }
  })

  # A machine that was taken back is no failure of the run.
  retry_strategy {
    attempts = 10

    evaluate_on_exit {
      action           = "RETRY"
      on_status_reason = "Host EC2*"
    }

    evaluate_on_exit {
      action    = "EXIT"
      on_reason = "*"
    }
  }

  timeout {
    attempt_duration_seconds = var.hours * 3600
  }
}

resource "aws_cloudwatch_event_rule" "index" {
  count = var.schedule == "" ? 0 : 1

  name                = "${var.name}-index"
  description         = "When the media bucket is indexed"
  schedule_expression = var.schedule
}

resource "aws_cloudwatch_event_target" "index" {
  count = var.schedule == "" ? 0 : 1

  rule     = aws_cloudwatch_event_rule.index[0].name
  arn      = aws_batch_job_queue.index.arn
  role_arn = aws_iam_role.this["schedule"].arn

  batch_target {
    job_definition = aws_batch_job_definition.index.arn
    job_name       = "scheduled"
  }
}
