# What both ways have in common: names, logs, and what the site may do. host.tf is one machine, ecs.tf tasks behind TLS.

data "aws_region" "current" {}

locals {
  host   = var.mode == "host" ? 1 : 0
  ecs    = var.mode == "ecs" ? 1 : 0
  media  = "s3://${var.media_bucket}"
  backup = "s3://${var.index_bucket}/collections/${var.collection}"
  secrets = merge(
    var.site_key_secret_arn == null ? {} : { SIGHTSOUND_API_KEY = var.site_key_secret_arn },
    var.elasticsearch == null ? {} : { ELASTICSEARCH_API_KEY = var.elasticsearch.api_key_secret_arn },
  )
}

resource "aws_cloudwatch_log_group" "site" {
  name              = "/${var.name}/site"
  retention_in_days = var.log_days
}

# Reading media, to show them, and the collection's backup; writing that only where the host indexes itself.
data "aws_iam_policy_document" "data" {
  statement {
    sid       = "ListMedia"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.media_bucket}"]
  }

  statement {
    sid       = "ReadMedia"
    actions   = ["s3:GetObject"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.media_bucket}/*"]
  }

  dynamic "statement" {
    for_each = var.store == "elasticsearch" ? [] : [1]

    content {
      sid       = "ListBackup"
      actions   = ["s3:ListBucket"]
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.index_bucket}"]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["collections/${var.collection}", "collections/${var.collection}/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.store == "elasticsearch" ? [] : [1]

    content {
      sid       = "Backup"
      actions   = concat(["s3:GetObject"], var.store == "own" ? ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"] : [])
      resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.index_bucket}/collections/${var.collection}/*"]
    }
  }
}

# Starting the container: its image, its secrets, its logs.
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
    for_each = length(local.secrets) == 0 ? [] : [1]

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = values(local.secrets)
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.site.arn}:*"]
  }
}

data "aws_partition" "current" {}
