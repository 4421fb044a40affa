output "media_bucket" {
  description = "The bucket for photographs, films and sounds."
  value       = aws_s3_bucket.this["media"].bucket
}

output "index_bucket" {
  description = "The bucket for backups of collections and snapshots."
  value       = aws_s3_bucket.this["index"].bucket
}

output "repository" {
  description = "Where to push the image: url, and arn for roles that pull it."
  value = {
    url = aws_ecr_repository.image.repository_url
    arn = aws_ecr_repository.image.arn
  }
}
