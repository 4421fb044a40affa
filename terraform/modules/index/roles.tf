# Who may do what: Batch itself, the machine, starting the container, the run in it, and the schedule.

locals {
  roles = merge(
    {
      batch   = "batch.amazonaws.com"
      machine = "ec2.amazonaws.com"
      start   = "ecs-tasks.amazonaws.com"
      job     = "ecs-tasks.amazonaws.com"
    },
    var.schedule == "" ? {} : { schedule = "events.amazonaws.com" },
  )

  policies = merge(
    {
      start = data.aws_iam_policy_document.start.json
      job   = data.aws_iam_policy_document.job.json
    },
    var.schedule == "" ? {} : { schedule = data.aws_iam_policy_document.schedule.json },
  )

  buckets = "arn:${data.aws_partition.current.partition}:s3:::"
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name = "${var.name}-index-${each.key}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = each.value }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = each.value
}

# Amazon keeps these two up to date with what Batch and the agent on its machines do.
resource "aws_iam_role_policy_attachment" "batch" {
  role       = aws_iam_role.this["batch"].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSBatchServiceRole"
}

resource "aws_iam_role_policy_attachment" "machine" {
  role       = aws_iam_role.this["machine"].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "machine" {
  name = "${var.name}-index"
  role = aws_iam_role.this["machine"].name
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "ListMedia"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = ["${local.buckets}${var.media_bucket}"]
  }

  statement {
    sid       = "ReadMedia"
    actions   = ["s3:GetObject"]
    resources = ["${local.buckets}${var.media_bucket}/*"]
  }

  dynamic "statement" {
    for_each = local.backup == "" ? [] : [1]

    content {
      sid       = "ListBackup"
      actions   = ["s3:ListBucket"]
      resources = ["${local.buckets}${var.index_bucket}"]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["collections/${var.collection}", "collections/${var.collection}/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.backup == "" ? [] : [1]

    content {
      sid       = "Backup"
      actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      resources = ["${local.buckets}${var.index_bucket}/collections/${var.collection}/*"]
    }
  }
}

data "aws_iam_policy_document" "start" {
  dynamic "statement" {
    for_each = var.repository_arn == null ? [] : [1]

    content {
      sid       = "RegistryLogin"
      actions   = ["ecr:GetAuthorizationToken"] # can't be narrowed to a repository
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.repository_arn == null ? [] : [1]

    content {
      sid       = "PullImage"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [var.repository_arn]
    }
  }

  dynamic "statement" {
    for_each = var.elasticsearch[*]

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value.api_key_secret_arn]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.index.arn}:*"]
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    actions   = ["batch:SubmitJob"]
    resources = [aws_batch_job_queue.index.arn, aws_batch_job_definition.index.arn_prefix, "${aws_batch_job_definition.index.arn_prefix}:*"]
  }
}
