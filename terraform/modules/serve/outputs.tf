output "url" {
  description = "Where the site is. For a host that nobody may reach, where it is after `forward`. For ecs, the name that yours must point to."
  value = (
    var.mode == "ecs" ? "https://${aws_lb.this[0].dns_name}/"
    : length(var.site_cidrs) == 0 ? "http://localhost:${var.port}/"
    : "http://${var.public_ip ? aws_eip.host[0].public_ip : aws_instance.host[0].private_ip}:${var.port}/"
  )
}

output "instance_id" {
  description = "mode = host: the machine."
  value       = one(aws_instance.host[*].id)
}

output "shell" {
  description = "mode = host: the command that opens a shell there."
  value       = var.mode == "host" ? "aws ssm start-session --region ${data.aws_region.current.name} --target ${aws_instance.host[0].id}" : null
}

output "forward" {
  description = "mode = host: the command that brings the site to this computer's localhost."
  value = var.mode != "host" ? null : join(" ", [
    "aws ssm start-session --region ${data.aws_region.current.name} --target ${aws_instance.host[0].id}",
    "--document-name AWS-StartPortForwardingSession",
    "--parameters portNumber=${var.port},localPortNumber=${var.port}",
  ])
}

output "volume_id" {
  description = "mode = host: the volume with the collection."
  value       = one(aws_ebs_volume.data[*].id)
}

output "log_group" {
  description = "Where the site's logs are."
  value       = aws_cloudwatch_log_group.site.name
}

output "security_group_id" {
  description = "The group of the host or the tasks: what lets Elasticsearch's port be opened to it."
  value       = var.mode == "host" ? aws_security_group.host[0].id : aws_security_group.tasks[0].id
}

output "cluster" {
  description = "mode = ecs: the cluster, for `aws ecs update-service --cluster … --service site`."
  value       = one(aws_ecs_cluster.this[*].name)
}
