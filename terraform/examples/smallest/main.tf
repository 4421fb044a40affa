# One machine that indexes the media bucket by itself and serves the site. Nobody reaches it but through SSM.

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

  zones = 1
}

module "serve" {
  source = "../../modules/serve"

  image               = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn      = module.storage.repository.arn
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.public_subnet_ids
  media_bucket        = module.storage.media_bucket
  index_bucket        = module.storage.index_bucket
  site_cidrs          = var.site_cidrs
  site_key_secret_arn = var.site_key_secret_arn
}
