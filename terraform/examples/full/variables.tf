variable "region" {
  description = "Where everything is made."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "image_tag" {
  description = "Which image runs: the tag that you pushed. Another one is an upgrade, or a rollback."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_][a-zA-Z0-9._-]*$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag: a tag that says what runs, such as 0.1.0; not empty, and not latest."
  }
}

variable "site_host" {
  description = "The site's name, which you point to the load balancer."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.site_host))
    error_message = "site_host: a name such as photos.example.org, without https://."
  }
}

variable "certificate_arn" {
  description = "Its certificate in ACM."
  type        = string
}

variable "site_cidrs" {
  description = "Who may reach the site; everyone, who then needs the key."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "site_key_secret_arn" {
  description = "The secret with the key that visitors show."
  type        = string
}

variable "elasticsearch_tls_secret_arn" {
  description = "The secret with ca, certificate and key of the nodes, as JSON of PEM texts."
  type        = string
}

variable "elasticsearch_password_secret_arn" {
  description = "The secret with the password of the user elastic."
  type        = string
}

variable "elasticsearch_ca" {
  description = "The file with the CA's certificate."
  type        = string
  default     = "ca.pem"

  validation {
    condition     = fileexists(var.elasticsearch_ca)
    error_message = "elasticsearch_ca: there is no such file; docs/deploy.md says how it is made."
  }
}

variable "schedule" {
  description = "When the media bucket is indexed."
  type        = string
  default     = "rate(1 day)"
}

variable "gpu" {
  description = "Index on machines with a GPU; the image then is the one for it, pushed as IMAGE_TAG-gpu."
  type        = bool
  default     = false
}

variable "delete_what_is_inside" {
  description = "Before a teardown: let it delete the buckets with all that is in them."
  type        = bool
  default     = false
}
