variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "sightsound"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "image" {
  description = "The container image, with a tag or a digest."
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
  description = "Where machines are started."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids: one at least; spot machines are easier to get in several zones."
  }
}

variable "public_ip" {
  description = "Give the machines a public address: in public subnets their only way out. It lets nobody in."
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

variable "prefix" {
  description = "Only what lies below this in the media bucket; may name a table, such as photos/media.csv."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([^/'\"\\s][^'\"\\s]*)?$", var.prefix))
    error_message = "prefix: no slash at its beginning, no spaces and no quotes."
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
  description = "Which collection is written."
  type        = string
  default     = "default"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{0,39}$", var.collection))
    error_message = "collection: up to 40 small letters, digits, hyphens and underscores."
  }
}

variable "options" {
  description = "More options of `sightsound index`, such as [\"--encoders\", \"clip\"]."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for option in var.options : can(regex("^[A-Za-z0-9_.,:=/@-]+$", option))])
    error_message = "options: words without spaces and quotes."
  }
}

variable "elasticsearch" {
  description = "A cluster to write to: its URL, the ARN of the secret with an API key, and the CA's certificate where it is not a public one. null: the collection goes to the index bucket as a backup."
  type = object({
    url                = string
    api_key_secret_arn = string
    ca_certificate     = optional(string, "")
  })
  default = null

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

variable "spot" {
  description = "Use spot machines: about a third of the price; one that is taken back is started again, and the run goes on."
  type        = bool
  default     = true
}

variable "gpu" {
  description = "Run on a machine with a GPU, with an image that is built for one (gpu)."
  type        = bool
  default     = false
}

variable "instance_types" {
  description = "Machines to choose among. None: c6i and m6i with at least as many cores as `cores`, or g4dn and g5 with a GPU."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for type in var.instance_types : can(regex("^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)?\\.[0-9]*x?large$", type))])
    error_message = "instance_types: FAMILY.SIZE, large at least, such as c6i.xlarge."
  }

  validation {
    condition     = !var.gpu || alltrue([for type in var.instance_types : can(regex("^(g|p)[0-9]", type))])
    error_message = "instance_types: with gpu = true, machines that have one: g4dn, g5, g6, p3, …"
  }
}

variable "cores" {
  description = "Cores of a run. One reads and encodes about 30 photographs a second."
  type        = number
  default     = 4

  validation {
    condition     = contains([2, 4, 8, 16, 32, 64], var.cores)
    error_message = "cores: 2, 4, 8, 16, 32 or 64."
  }
}

variable "memory" {
  description = "MB of a run: 1 GB a core, and what the model takes. A little less than the machine has."
  type        = number
  default     = 7000

  validation {
    condition     = var.memory >= 2000 && floor(var.memory) == var.memory
    error_message = "memory: 2000 or more, a whole number of MB."
  }
}

variable "disk_gb" {
  description = "Disk of a machine: the collection lies there during the run, and films while they are read."
  type        = number
  default     = 100

  validation {
    condition     = var.disk_gb >= 30 && var.disk_gb <= 16384
    error_message = "disk_gb: 30 to 16384."
  }
}

variable "schedule" {
  description = "When to run: rate(1 day) or cron(0 3 * * ? *). Empty: only when you say so."
  type        = string
  default     = ""

  validation {
    condition     = var.schedule == "" || can(regex("^(rate|cron)\\(.+\\)$", var.schedule))
    error_message = "schedule: rate(1 day), cron(0 3 * * ? *), or nothing."
  }
}

variable "hours" {
  description = "A run is stopped after so many hours; the next goes on."
  type        = number
  default     = 24

  validation {
    condition     = var.hours > 0 && var.hours <= 336
    error_message = "hours: up to 336, two weeks."
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
  description = "The user's number in the image."
  type        = number
  default     = 10001

  validation {
    condition     = var.container_user > 0
    error_message = "container_user: not 0, which is root."
  }
}
