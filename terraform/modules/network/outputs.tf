output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "One subnet a zone, with a way to the internet for what has a public address."
  value       = aws_subnet.public[*].id

  # Whoever starts in a subnet needs its way out.
  depends_on = [aws_route.public, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "One subnet a zone without public addresses; empty where none were asked for."
  value       = aws_subnet.private[*].id

  depends_on = [aws_route.nat, aws_route_table_association.private, aws_vpc_endpoint.s3]
}
