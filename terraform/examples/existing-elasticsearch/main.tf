# A host and index runs with a cluster that is there already, such as one of Elastic Cloud.

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

  zones = 2
}

module "index" {
  source = "../../modules/index"

  image          = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn = module.storage.repository.arn
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.public_subnet_ids
  media_bucket   = module.storage.media_bucket
  index_bucket   = module.storage.index_bucket
  elasticsearch  = var.elasticsearch
}

module "serve" {
  source = "../../modules/serve"

  store          = "elasticsearch"
  elasticsearch  = var.elasticsearch
  image          = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn = module.storage.repository.arn
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.public_subnet_ids
  media_bucket   = module.storage.media_bucket
  index_bucket   = module.storage.index_bucket
}
