variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "sightsound"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "cidr" {
  description = "The network's private addresses."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition = (
      can(cidrnetmask(var.cidr))
      && can(regex("^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)\\.", var.cidr))
      && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    )
    error_message = "cidr: a private IPv4 range of /16 to /22, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "In how many availability zones there are subnets. A load balancer needs two, Elasticsearch wants three."
  type        = number
  default     = 2

  validation {
    condition     = contains([1, 2, 3], var.zones)
    error_message = "zones: 1, 2 or 3."
  }
}

variable "private_subnets" {
  description = "Make private subnets too. What runs in them has no public address."
  type        = bool
  default     = false
}

variable "nat" {
  description = "A NAT gateway, by which private subnets reach the internet. One, in the first zone."
  type        = bool
  default     = false

  validation {
    condition     = !var.nat || var.private_subnets
    error_message = "nat: only private subnets use it; set private_subnets = true too."
  }
}

variable "interface_endpoints" {
  description = "AWS services that private subnets reach without a NAT gateway, such as ssm or ecr.api. S3 is always reached so."
  type        = set(string)
  default     = []

  validation {
    condition = length(setsubtract(var.interface_endpoints, [
      "ssm", "ssmmessages", "ec2messages", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ecs", "ecs-agent", "ecs-telemetry",
    ])) == 0
    error_message = "interface_endpoints: of ssm, ssmmessages, ec2messages, ecr.api, ecr.dkr, logs, secretsmanager, ecs, ecs-agent, ecs-telemetry."
  }

  validation {
    condition     = length(var.interface_endpoints) == 0 || var.private_subnets
    error_message = "interface_endpoints: they lie in private subnets; set private_subnets = true too."
  }
}
