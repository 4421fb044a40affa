output "media_bucket" {
  description = "Upload to this."
  value       = module.storage.media_bucket
}

output "index_bucket" {
  description = "Backups lie here."
  value       = module.storage.index_bucket
}

output "repository" {
  description = "Push the image to this."
  value       = module.storage.repository.url
}

output "url" {
  description = "The site."
  value       = module.serve.url
}

output "forward" {
  description = "The command that brings the site to this computer's localhost."
  value       = module.serve.forward
}

output "shell" {
  description = "The command that opens a shell on the host."
  value       = module.serve.shell
}

output "run" {
  description = "The command that starts an index run."
  value       = module.index.run
}
