# Everything: private subnets in three zones, Elasticsearch, index runs on spot machines, and tasks behind TLS.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "sightsound" }
  }
}

module "storage" {
  source = "../../modules/storage"

  delete_what_is_inside = var.delete_what_is_inside
}

module "network" {
  source = "../../modules/network"

  zones           = 3
  private_subnets = true
  nat             = true
}

module "elasticsearch" {
  source = "../../modules/elasticsearch"

  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  tls_secret_arn      = var.elasticsearch_tls_secret_arn
  password_secret_arn = var.elasticsearch_password_secret_arn
  ca_certificate      = file(var.elasticsearch_ca)
  snapshot_bucket     = module.storage.index_bucket

  client_security_group_ids = {
    site  = module.serve.security_group_id
    index = module.index.security_group_id
  }
}

module "index" {
  source = "../../modules/index"

  image          = "${module.storage.repository.url}:${var.image_tag}${var.gpu ? "-gpu" : ""}"
  repository_arn = module.storage.repository.arn
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.private_subnet_ids
  public_ip      = false
  media_bucket   = module.storage.media_bucket
  index_bucket   = module.storage.index_bucket
  elasticsearch  = module.elasticsearch.connection
  gpu            = var.gpu
  schedule       = var.schedule
  options        = ["--prune"]
}

module "serve" {
  source = "../../modules/serve"

  mode                = "ecs"
  store               = "elasticsearch"
  elasticsearch       = module.elasticsearch.connection
  image               = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn      = module.storage.repository.arn
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  public_subnet_ids   = module.network.public_subnet_ids
  public_ip           = false
  media_bucket        = module.storage.media_bucket
  index_bucket        = module.storage.index_bucket
  certificate_arn     = var.certificate_arn
  site_cidrs          = var.site_cidrs
  site_hosts          = [var.site_host]
  site_key_secret_arn = var.site_key_secret_arn
}
