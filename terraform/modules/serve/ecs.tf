# mode = ecs: Fargate tasks without an address that anyone reaches, behind a load balancer with TLS.

locals {
  environment = merge(
    {
      AWS_REGION            = data.aws_region.current.name
      SIGHTSOUND_COLLECTION = var.collection
      SIGHTSOUND_SITE_HOSTS = join(",", var.site_hosts)
      SIGHTSOUND_SITE_LOGS  = "json"
    },
    var.elasticsearch == null ? {} : { SIGHTSOUND_STORE = var.elasticsearch.url },
    try(var.elasticsearch.ca_certificate, "") == "" ? {} : { ELASTICSEARCH_CA_CERT = var.elasticsearch.ca_certificate },
  )

  logging = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.site.name
      awslogs-region        = data.aws_region.current.name
      awslogs-stream-prefix = "ecs"
    }
  }

  mounts = [
    { sourceVolume = "data", containerPath = "/data", readOnly = false },
    { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
  ]

  every_container = {
    image                  = var.image
    environment            = [for name, value in local.environment : { name = name, value = value }]
    mountPoints            = local.mounts
    logConfiguration       = local.logging
    readonlyRootFilesystem = true
    user                   = "${var.container_user}:${var.container_user}"
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    portMappings           = []
    volumesFrom            = []
    systemControls         = []
  }

  # Fresh volumes belong to root. This one alone runs as root, and only to hand them over.
  prepare = merge(local.every_container, {
    name            = "prepare"
    essential       = false
    user            = "0:0"
    entryPoint      = ["/bin/sh", "-c"]
    command         = ["chmod 1777 /data /tmp"]
    linuxParameters = { initProcessEnabled = true, capabilities = { drop = [] } }
  })

  restore = merge(local.every_container, {
    name      = "restore"
    essential = false
    command   = ["restore", local.backup, "--yes", "--collection", var.collection]
    dependsOn = [{ containerName = "prepare", condition = "SUCCESS" }]
  })

  site = merge(local.every_container, {
    name         = "site"
    essential    = true
    command      = ["serve", "--host", "0.0.0.0", "--port", tostring(var.port), "--behind-proxy", "1"]
    portMappings = [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
    secrets      = [for name, arn in local.secrets : { name = name, valueFrom = arn }]
    dependsOn    = [{ containerName = var.store == "backup" ? "restore" : "prepare", condition = "SUCCESS" }]
    stopTimeout  = 30
  })
}

resource "aws_ecs_cluster" "this" {
  count = local.ecs

  name = var.name
}

resource "aws_iam_role" "task" {
  for_each = local.ecs == 1 ? toset(["task", "start"]) : []

  name = "${var.name}-site-${each.value}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "task" {
  for_each = local.ecs == 0 ? {} : {
    task  = data.aws_iam_policy_document.data.json
    start = data.aws_iam_policy_document.start.json
  }

  name   = each.key
  role   = aws_iam_role.task[each.key].id
  policy = each.value
}

resource "aws_ecs_task_definition" "site" {
  count = local.ecs

  family                   = "${var.name}-site"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.task_cpu
  memory                   = var.task_memory
  task_role_arn            = aws_iam_role.task["task"].arn
  execution_role_arn       = aws_iam_role.task["start"].arn

  container_definitions = jsonencode(concat(
    [local.site, local.prepare],
    var.store == "backup" ? [local.restore] : [],
  ))

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  ephemeral_storage {
    size_in_gib = var.task_disk_gb
  }

  volume {
    name = "data"
  }

  volume {
    name = "tmp"
  }
}

resource "aws_security_group" "balancer" {
  count = local.ecs

  name        = "${var.name}-balancer"
  description = "The site, by TLS"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = local.ecs == 1 ? toset(var.site_cidrs) : []

  security_group_id = aws_security_group.balancer[0].id
  description       = "The site"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  count = local.ecs

  security_group_id            = aws_security_group.balancer[0].id
  description                  = "The tasks"
  referenced_security_group_id = aws_security_group.tasks[0].id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_security_group" "tasks" {
  count = local.ecs

  name        = "${var.name}-tasks"
  description = "The site's tasks, from the load balancer only"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-tasks" }
}

resource "aws_vpc_security_group_ingress_rule" "tasks" {
  count = local.ecs

  security_group_id            = aws_security_group.tasks[0].id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.balancer[0].id
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_vpc_security_group_egress_rule" "tasks" {
  count = local.ecs

  security_group_id = aws_security_group.tasks[0].id
  description       = "S3, the registry, secrets, Elasticsearch"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_lb" "this" {
  count = local.ecs

  name                       = var.name
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer[0].id]
  subnets                    = var.public_subnet_ids
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "site" {
  count = local.ecs

  name                 = "${var.name}-site"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = 30

  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  count = local.ecs

  load_balancer_arn = aws_lb.this[0].arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.site[0].arn
  }
}

# New tasks come before the old ones go; where the new ones don't get healthy, the old stay.
resource "aws_ecs_service" "site" {
  count = local.ecs

  name                               = "site"
  cluster                            = aws_ecs_cluster.this[0].id
  task_definition                    = aws_ecs_task_definition.site[0].arn
  launch_type                        = "FARGATE"
  desired_count                      = var.tasks
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 300

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks[0].id]
    assign_public_ip = var.public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.site[0].arn
    container_name   = "site"
    container_port   = var.port
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.task]
}
