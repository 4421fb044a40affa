# What a node may do: read its secrets, write snapshots and logs, be reached by SSM; the first one also keeps the key.

locals {
  roles = ["first", "other"]
}

resource "aws_iam_role" "node" {
  for_each = toset(local.roles)

  name = "${var.name}-es-${each.value}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "node" {
  for_each = toset(local.roles)

  name   = "node"
  role   = aws_iam_role.node[each.value].id
  policy = data.aws_iam_policy_document.node[each.value].json
}

resource "aws_iam_instance_profile" "node" {
  for_each = toset(local.roles)

  name = "${var.name}-es-${each.value}"
  role = aws_iam_role.node[each.value].name
}

data "aws_iam_policy_document" "node" {
  for_each = toset(local.roles)

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat([var.tls_secret_arn, var.password_secret_arn], each.value == "first" ? [aws_secretsmanager_secret.api_key.arn] : [])
  }

  dynamic "statement" {
    for_each = each.value == "first" ? [1] : []

    content {
      sid       = "KeepTheKey"
      actions   = ["secretsmanager:PutSecretValue"]
      resources = [aws_secretsmanager_secret.api_key.arn]
    }
  }

  statement {
    sid       = "ListSnapshots"
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.snapshot_bucket}"]
  }

  statement {
    sid       = "Snapshots"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${var.snapshot_bucket}/elasticsearch/*"]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  # What Session Manager needs; these can't be narrowed.
  statement {
    sid = "Shell"
    actions = [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"]
  }
}
