"""Small models with seeded random weights, as their libraries save them: what the tests of towers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
VISION = {"image_size": 224, "layers": 2, "width": 64, "patch_size": 32, "head_width": 32}


def open_clip_folder(
    folder: Path, dims: int = 64, seed: int = 0, interpolation: str = "bicubic", resize: str = "shortest", **text: Any
) -> Path:
    """A folder as open_clip's `push_to_hf_hub` leaves it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"embed_dim": dims, "vision_cfg": VISION, "text_cfg": {**TEXT, **text}}
    preprocess = {"mean": MEAN, "std": STD, "interpolation": interpolation, "resize_mode": resize}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(seed)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    tensors = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


def word_tokenizer(folder: Path, words: int = 500) -> Any:
    """A WordPiece tokenizer trained on a few sentences, saved as transformers does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from sightsound.plugins.text.minilm import background

    tokens = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokens.normalizer = normalizers.BertNormalizer()
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokens.train_from_iterator(background(), trainers.WordPieceTrainer(vocab_size=words, special_tokens=marks))
    tokens.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        model_max_length=64,
    )
    made.save_pretrained(folder)
    return made


def clip_folder(folder: Path, seed: int = 0) -> Path:
    """transformers' CLIP."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    word_tokenizer(folder)
    side = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={**side, "vocab_size": 600, "max_position_embeddings": 32, "eos_token_id": 3, "pad_token_id": 0},
        vision_config={**side, "image_size": 224, "patch_size": 32},
        projection_dim=48,
    )
    torch.manual_seed(seed)
    CLIPModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "do_resize": True,
                "size": {"shortest_edge": 224},
                "resample": 3,
                "do_center_crop": True,
                "crop_size": {"height": 224, "width": 224},
                "do_rescale": True,
                "rescale_factor": 1 / 255,
                "do_normalize": True,
                "image_mean": MEAN,
                "image_std": STD,
                "do_convert_rgb": True,
            }
        )
    )
    return folder


def siglip_folder(folder: Path, seed: int = 0) -> Path:
    """transformers' SigLIP, which is also that of SigLIP 2 of one resolution."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    word_tokenizer(folder)
    side = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = SiglipConfig(
        text_config={**side, "vocab_size": 600, "max_position_embeddings": 32, "projection_size": 64},
        vision_config={**side, "image_size": 224, "patch_size": 32},
    )
    torch.manual_seed(seed)
    SiglipModel(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "SiglipImageProcessor",
                "do_resize": True,
                "size": {"height": 224, "width": 224},
                "resample": 2,
                "do_rescale": True,
                "rescale_factor": 1 / 255,
                "do_normalize": True,
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
            }
        )
    )
    return folder


def clap_folder(folder: Path, seed: int = 0, fused: bool = False) -> Path:
    """transformers' CLAP."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    word_tokenizer(folder)
    words = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = ClapConfig(
        text_config={**words, "vocab_size": 600, "max_position_embeddings": 66, "pad_token_id": 0},
        audio_config={
            "patch_embeds_hidden_size": 16,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "hidden_size": 32,
            "num_mel_bins": 64,
            "spec_size": 256,
            "projection_dim": 48,
            "enable_fusion": fused,
        },
        projection_dim=48,
    )
    torch.manual_seed(seed)
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(truncation="fusion" if fused else "rand_trunc").save_pretrained(folder)
    return folder


def sentence_folder(folder: Path, pooling: str = "mean_tokens", seed: int = 0) -> Path:
    """A BERT, as the library sentence-transformers saves it, with prompts."""
    import torch
    from transformers import BertConfig, BertModel

    word_tokenizer(folder)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 96}
    config = BertConfig(vocab_size=600, **sizes)
    BertModel(config).save_pretrained(folder)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"idx": n, "type": f"sentence_transformers.models.{k}", "path": p} for n, (k, p) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 48, f"pooling_mode_{pooling}": True})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 40}))
    prompts = {"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


def into_hub_cache(hub: Path, repository: str, folder: Path, commit: str) -> Path:
    """Put a folder into a cache as huggingface_hub keeps it, as the newest commit."""
    import hashlib
    import shutil

    place = hub / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / commit
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            blob = place / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            blob.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blob)
            link = snapshot / path.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    (place / "refs").mkdir(exist_ok=True)
    (place / "refs" / "main").write_text(commit)
    return snapshot
