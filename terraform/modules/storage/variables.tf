variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "sightsound"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: 2 to 20 small letters, digits and hyphens, a letter first."
  }
}

variable "old_versions_days" {
  description = "Days that an object which was overwritten or deleted can still be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.old_versions_days >= 1 && floor(var.old_versions_days) == var.old_versions_days
    error_message = "old_versions_days: a whole number of days, 1 or more."
  }
}

variable "images_kept" {
  description = "How many container images the registry keeps: those that a rollback can go to."
  type        = number
  default     = 20

  validation {
    condition     = var.images_kept >= 2 && floor(var.images_kept) == var.images_kept
    error_message = "images_kept: 2 or more, or there is nothing to roll back to."
  }
}

variable "delete_what_is_inside" {
  description = "Let `terraform destroy` delete buckets and images that are not empty. With false it stops there."
  type        = bool
  default     = false
}
