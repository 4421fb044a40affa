output "connection" {
  description = "What the modules serve and index take as `elasticsearch`."
  value = {
    url                = join(",", [for node in local.nodes : "https://${node}:9200"])
    api_key_secret_arn = aws_secretsmanager_secret.api_key.arn
    ca_certificate     = var.ca_certificate
  }
}

output "domain" {
  description = "What the nodes' certificate is for: *.DOMAIN."
  value       = local.domain
}

output "instance_ids" {
  description = "The nodes' machines, es-0 first."
  value       = aws_instance.node[*].id
}

output "log_group" {
  description = "Where the nodes' logs are."
  value       = aws_cloudwatch_log_group.this.name
}
