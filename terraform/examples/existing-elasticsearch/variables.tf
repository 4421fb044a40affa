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

variable "elasticsearch" {
  description = "Your cluster: its URL, the ARN of the secret with an API key, and the CA's certificate where it is not a public one."
  type = object({
    url                = string
    api_key_secret_arn = string
    ca_certificate     = optional(string, "")
  })
}

variable "delete_what_is_inside" {
  description = "Before a teardown: let it delete the buckets with all that is in them."
  type        = bool
  default     = false
}
