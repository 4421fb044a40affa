variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "sightsound"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "mode" {
  description = "host: one EC2 machine. ecs: Fargate tasks behind a load balancer with TLS."
  type        = string
  default     = "host"

  validation {
    condition     = contains(["host", "ecs"], var.mode)
    error_message = "mode: host or ecs."
  }
}

variable "image" {
  description = "The container image, with a tag or a digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/sightsound:0.1.0-serve."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-zA-Z0-9./_-]*(:[a-zA-Z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image: NAME:TAG or NAME@sha256:DIGEST; it may not be empty, and needs a tag, so that a rollback has a name."
  }

  validation {
    condition     = !endswith(var.image, ":latest")
    error_message = "image: not ':latest', which says neither what runs nor what to go back to."
  }
}

variable "repository_arn" {
  description = "The ECR repository that the image is pulled from, as the module storage gives it. null: a public registry."
  type        = string
  default     = null

  validation {
    condition     = var.repository_arn == null || can(regex("^arn:aws[a-z-]*:ecr:[a-z0-9-]+:[0-9]{12}:repository/.+$", var.repository_arn))
    error_message = "repository_arn: the ARN of an ECR repository, or null."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Where the host or the tasks run. The host takes the first, and stays there: its volume lies in that zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids: one at least."
  }
}

variable "public_ip" {
  description = "Give the host or the tasks a public address: in public subnets their only way out. It lets nobody in."
  type        = bool
  default     = true
}

variable "media_bucket" {
  description = "The bucket with photographs, films and sounds; it is read."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.media_bucket))
    error_message = "media_bucket: a bucket's name, without s3://."
  }
}

variable "index_bucket" {
  description = "The bucket for backups of the collection."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.index_bucket))
    error_message = "index_bucket: a bucket's name, without s3://."
  }
}

variable "collection" {
  description = "Which collection is served."
  type        = string
  default     = "default"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{0,39}$", var.collection))
    error_message = "collection: up to 40 small letters, digits, hyphens and underscores."
  }
}

variable "store" {
  description = "own: the host indexes the media bucket itself and backs up. backup: what the module index backed up. elasticsearch: a cluster."
  type        = string
  default     = "own"

  validation {
    condition     = contains(["own", "backup", "elasticsearch"], var.store)
    error_message = "store: own, backup or elasticsearch."
  }

  validation {
    condition     = var.store != "own" || var.mode == "host"
    error_message = "store: own needs mode = host; tasks keep nothing. Use backup or elasticsearch."
  }
}

variable "elasticsearch" {
  description = "With store = elasticsearch: its URL, the ARN of the secret with an API key, and the CA's certificate where it is not a public one."
  type = object({
    url                = string
    api_key_secret_arn = string
    ca_certificate     = optional(string, "")
  })
  default = null

  validation {
    condition     = (var.elasticsearch != null) == (var.store == "elasticsearch")
    error_message = "elasticsearch: give it with store = elasticsearch, and only then."
  }

  validation {
    condition     = var.elasticsearch == null || can(regex("^https://[a-zA-Z0-9.-]+(:[0-9]+)?(,https://[a-zA-Z0-9.-]+(:[0-9]+)?)*$", var.elasticsearch.url))
    error_message = "elasticsearch.url: https://HOST:9200, several with commas; neither http nor a user and password in it."
  }

  validation {
    condition     = var.elasticsearch == null || can(regex("^arn:aws[a-z-]*:secretsmanager:", var.elasticsearch.api_key_secret_arn))
    error_message = "elasticsearch.api_key_secret_arn: the ARN of a secret in Secrets Manager, not the key itself."
  }

  validation {
    condition     = try(var.elasticsearch.ca_certificate, "") == "" || can(regex("^-----BEGIN CERTIFICATE-----", var.elasticsearch.ca_certificate))
    error_message = "elasticsearch.ca_certificate: a certificate in PEM, as file(\"ca.pem\") reads it."
  }
}

variable "site_cidrs" {
  description = "Who reaches the site: IPv4 ranges. None: with mode = host, only through SSM's port forwarding."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.site_cidrs : can(cidrnetmask(cidr))])
    error_message = "site_cidrs: IPv4 ranges, such as 203.0.113.7/32."
  }

  validation {
    condition     = var.mode == "ecs" || alltrue([for cidr in var.site_cidrs : try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "site_cidrs: a host has no TLS, so it is not opened to the world. Name your addresses, or use mode = ecs."
  }

  validation {
    condition     = var.mode != "ecs" || length(var.site_cidrs) > 0
    error_message = "site_cidrs: say who may reach the load balancer; [\"0.0.0.0/0\"] is everyone."
  }
}

variable "site_key_secret_arn" {
  description = "The ARN of the secret with the key that visitors show. Needed as soon as site_cidrs lets anyone in."
  type        = string
  default     = null

  validation {
    condition     = var.site_key_secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:", var.site_key_secret_arn))
    error_message = "site_key_secret_arn: the ARN of a secret in Secrets Manager, not the key itself."
  }

  validation {
    condition     = var.site_key_secret_arn != null || length(var.site_cidrs) == 0
    error_message = "site_key_secret_arn: a site that others reach needs a key; make a secret and give its ARN."
  }
}

variable "site_hosts" {
  description = "Names by which browsers call the site, such as photos.example.org. Others are refused, but for the host's own address."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for host in var.site_hosts : can(regex("^[a-zA-Z0-9.-]+$", host))])
    error_message = "site_hosts: names alone, without https:// and port."
  }

  validation {
    condition     = length(var.site_cidrs) == 0 || length(var.site_hosts) > 0 || (var.mode == "host" && var.public_ip)
    error_message = "site_hosts: a site that others reach needs the name they call it by."
  }
}

variable "port" {
  description = "The port of the site on the host, or of the tasks behind the load balancer (which listens at 443)."
  type        = number
  default     = 8000

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port: 1024 to 65535; the container does not run as root."
  }
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_days)
    error_message = "log_days: one of those that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365."
  }
}

variable "container_user" {
  description = "The user's number in the image; the data belong to it."
  type        = number
  default     = 10001

  validation {
    condition     = var.container_user > 0
    error_message = "container_user: not 0, which is root."
  }
}

# mode = host

variable "instance_type" {
  description = "mode = host: the machine. With a Graviton type (t4g, m7g) the image has to be built for arm64."
  type        = string
  default     = "t3.medium"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)?\\.(small|medium|large|[0-9]*xlarge)$", var.instance_type))
    error_message = "instance_type: FAMILY.SIZE, small at least, such as t3.medium; nano and micro have too little memory to read media."
  }
}

variable "data_gb" {
  description = "mode = host: size of the data volume. 2.6 kB an item with the starter's vectors, three times that for rebuilding and backups."
  type        = number
  default     = 20

  validation {
    condition     = var.data_gb >= 4 && var.data_gb <= 16384
    error_message = "data_gb: 4 to 16384."
  }
}

variable "key_name" {
  description = "mode = host: an EC2 key pair, for SSH through SSM. Port 22 stays closed."
  type        = string
  default     = null
}

variable "index_calendar" {
  description = "mode = host, store = own: when the media bucket is indexed, besides a minute after the start; systemd's OnCalendar."
  type        = string
  default     = "*-*-* 03:00:00"

  validation {
    condition     = can(regex("^[A-Za-z0-9*:/,. ~-]+$", var.index_calendar))
    error_message = "index_calendar: a time as systemd writes it, such as daily or *-*-* 03:00:00."
  }
}

# mode = ecs

variable "certificate_arn" {
  description = "mode = ecs: the certificate of the site's name, in ACM."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null || can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "certificate_arn: the ARN of a certificate in ACM."
  }

  validation {
    condition     = (var.certificate_arn != null) == (var.mode == "ecs")
    error_message = "certificate_arn: needed with mode = ecs, and only then."
  }
}

variable "public_subnet_ids" {
  description = "mode = ecs: where the load balancer is; two zones at least."
  type        = list(string)
  default     = []

  validation {
    condition     = var.mode != "ecs" || length(var.public_subnet_ids) >= 2
    error_message = "public_subnet_ids: a load balancer needs subnets in two zones."
  }
}

variable "tasks" {
  description = "mode = ecs: how many tasks serve."
  type        = number
  default     = 2

  validation {
    condition     = var.tasks >= 1 && var.tasks <= 50 && floor(var.tasks) == var.tasks
    error_message = "tasks: 1 to 50."
  }
}

variable "task_cpu" {
  description = "mode = ecs: CPU units of a task, 1024 a core."
  type        = number
  default     = 1024

  validation {
    condition     = contains([512, 1024, 2048, 4096, 8192, 16384], var.task_cpu)
    error_message = "task_cpu: 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "task_memory" {
  description = "mode = ecs: MB of a task."
  type        = number
  default     = 4096

  validation {
    condition     = var.task_memory >= 2048 && var.task_memory % 1024 == 0
    error_message = "task_memory: 2048 or more, in steps of 1024; Fargate allows 2 to 8 GB a core."
  }

  validation {
    condition     = var.task_memory >= 2 * var.task_cpu && var.task_memory <= 8 * var.task_cpu
    error_message = "task_memory: Fargate allows 2 to 8 MB a CPU unit."
  }
}

variable "task_disk_gb" {
  description = "mode = ecs: disk of a task; with store = backup the collection lies there."
  type        = number
  default     = 30

  validation {
    condition     = var.task_disk_gb >= 21 && var.task_disk_gb <= 200
    error_message = "task_disk_gb: 21 to 200."
  }
}

variable "architecture" {
  description = "mode = ecs: what the image is built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: x86_64 or arm64."
  }
}
