variable "name" {
  description = "Begins the name of everything that is made; the cluster's name."
  type        = string
  default     = "sightsound"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, best in three zones, with a way to fetch the image (NAT)."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids: one at least, three to outlive a zone."
  }
}

variable "client_security_group_ids" {
  description = "Who may reach port 9200: the groups of the site and of the index runs, by a name of your choice."
  type        = map(string)

  validation {
    condition     = length(var.client_security_group_ids) > 0
    error_message = "client_security_group_ids: one at least; a cluster that nobody reaches is of no use."
  }
}

variable "image" {
  description = "Elasticsearch 9, with a tag or a digest."
  type        = string
  default     = "docker.elastic.co/elasticsearch/elasticsearch:9.2.2"

  validation {
    condition     = can(regex("^[a-z0-9][a-zA-Z0-9./_-]*(:9\\.[a-zA-Z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image: an image of Elasticsearch 9, NAME:9.x.y or NAME@sha256:DIGEST."
  }
}

variable "instance_type" {
  description = "Each of the three machines. Half of its memory is Java's, the other half holds the vectors."
  type        = string
  default     = "r7g.large"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+[a-z]*(-[a-z0-9]+)?\\.[0-9]*x?large$", var.instance_type))
    error_message = "instance_type: FAMILY.SIZE, large at least, such as r7g.large; less memory than 8 GB is too little."
  }
}

variable "data_gb" {
  description = "Size of each machine's data volume."
  type        = number
  default     = 100

  validation {
    condition     = var.data_gb >= 10 && var.data_gb <= 16384
    error_message = "data_gb: 10 to 16384."
  }
}

variable "tls_secret_arn" {
  description = "The ARN of a secret: JSON with ca, certificate and key in PEM. The certificate is for *.NAME.internal."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:secretsmanager:", var.tls_secret_arn))
    error_message = "tls_secret_arn: the ARN of a secret in Secrets Manager, not a key."
  }
}

variable "ca_certificate" {
  description = "The CA's certificate in PEM, which is no secret: the site and the index runs check the nodes by it."
  type        = string

  validation {
    condition     = can(regex("^-----BEGIN CERTIFICATE-----", var.ca_certificate))
    error_message = "ca_certificate: a certificate in PEM, as file(\"ca.pem\") reads it."
  }
}

variable "password_secret_arn" {
  description = "The ARN of a secret: the password of the user elastic, who sets the cluster up."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:secretsmanager:", var.password_secret_arn))
    error_message = "password_secret_arn: the ARN of a secret in Secrets Manager, not the password itself."
  }
}

variable "snapshot_bucket" {
  description = "The bucket for snapshots, one a night, below elasticsearch/."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.snapshot_bucket))
    error_message = "snapshot_bucket: a bucket's name, without s3://."
  }
}

variable "snapshot_days" {
  description = "Days that snapshots are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.snapshot_days >= 1 && floor(var.snapshot_days) == var.snapshot_days
    error_message = "snapshot_days: a whole number of days, 1 or more."
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
