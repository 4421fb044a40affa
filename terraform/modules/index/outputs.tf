output "run" {
  description = "The command that starts an index run now."
  value       = "aws batch submit-job --region ${data.aws_region.current.name} --job-name now --job-queue ${aws_batch_job_queue.index.name} --job-definition ${aws_batch_job_definition.index.name}"
}

output "queue" {
  description = "The job queue."
  value       = aws_batch_job_queue.index.name
}

output "log_group" {
  description = "Where the runs' logs are."
  value       = aws_cloudwatch_log_group.index.name
}

output "backup" {
  description = "Where a run leaves the collection; empty with Elasticsearch."
  value       = local.backup
}

output "security_group_id" {
  description = "The group of the machines: what lets Elasticsearch's port be opened to them."
  value       = aws_security_group.index.id
}
