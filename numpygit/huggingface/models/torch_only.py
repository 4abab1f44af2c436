"""Names that transformers' models have because they are torch modules, and what to do here.

A model of numpygit is its config and its params, NumPy arrays. What belongs to torch's machinery,
gradients, hooks, devices, compilers, adapters, is not imitated: asking for it says in one sentence
where the same is found here.
"""

from __future__ import annotations

GRADIENTS = (
    "keeps no gradients: the backward functions are in numpygit.learning, one beside each forward "
    "one"
)
HOOKS = (
    "has no hooks: pass trace=numpygit.trace.Recorder() to a call and read any named tensor from it"
)
DEVICES = "runs on the CPU in float32; leave this out, or move the arrays yourself"
MODULES = (
    "has no submodules to change: its params are plain arrays, see model.params and "
    "model.load_state_dict"
)
COMPILERS = "is not compiled: numpygit.fast takes part by itself; leave this out"
ADAPTERS = "adds no adapter to a model that is there: from_pretrained(the adapter's folder) does it"
PARALLEL = "is not spread over devices: numpygit.scale spreads pictures over machines"
EXOTIC = "does not do this kind of generation; see numpygit.decoding for all that there is"
LAYERS = "has no such part: docs/coming-from-transformers.md lists what differs"
BOOKKEEPING = "does no such bookkeeping of Hugging Face's own; leave this out"

HEADLESS = "has no words to give here: it has no vocabulary head, GitForCausalLM has"

REASONS = {
    HEADLESS: """generate greedy_search sample beam_search beam_sample group_beam_search
        contrastive_search compute_transition_scores prepare_inputs_for_generation
        set_output_embeddings set_input_embeddings resize_token_embeddings loss_function""",
    GRADIENTS: """zero_grad requires_grad_ requires_grad grad gradient_checkpointing_enable
        gradient_checkpointing_disable is_gradient_checkpointing gradient_checkpointing
        supports_gradient_checkpointing enable_input_require_grads disable_input_require_grads
        activation_checkpointing_enable activation_checkpointing_disable
        is_activation_checkpointing backward""",
    HOOKS: """register_backward_hook register_forward_hook register_forward_pre_hook
        register_full_backward_hook register_full_backward_pre_hook
        register_load_state_dict_post_hook register_load_state_dict_pre_hook
        register_state_dict_post_hook register_state_dict_pre_hook add_memory_hooks
        reset_memory_hooks_state can_record_outputs""",
    DEVICES: """cuda xpu ipu mtia hpu share_memory to_empty is_parallelizable parallelize
        deparallelize""",
    MODULES: """add_module register_module register_buffer register_parameter set_submodule
        apply set_extra_state get_extra_state extra_repr init_weights initialize_weights
        post_init call_super_init dump_patches T_destination get_init_context""",
    COMPILERS: """compile get_compiled_call to_bettertransformer reverse_bettertransformer
        set_attn_implementation get_correct_attn_implementation set_use_kernels use_kernels
        get_correct_experts_implementation get_experts_implementation
        set_experts_implementation dequantize is_backend_compatible
        prepare_distribute_model distribute_model""",
    ADAPTERS: """active_adapter active_adapters add_adapter delete_adapter disable_adapters
        enable_adapters get_adapter_state_dict load_adapter set_adapter enable_peft_hotswap""",
    PARALLEL: """ep_plan fsdp_plan fsdp_size pp_plan supports_pp_plan tp_plan tp_size
        supports_tp_plan supports_context_parallel gather_sharded_state_dict_for_save
        barrier_after_gathered_checkpoint_save save_distributed_checkpoint
        is_distributed_loading_by_transformers maybe_distribute_model init_parallel_plans
        should_save_on_this_rank""",
    EXOTIC: """assisted_decoding constrained_beam_search generate_batch
        continuous_batching_context_manager init_continuous_batching
        destroy_cached_continuous_batching_manager heal_tokens load_custom_generate
        adjust_generation_fn""",
    LAYERS: """get_position_embeddings resize_position_embeddings get_extended_attention_mask
        create_extended_attention_mask_for_decoder invert_attention_mask get_encoder set_encoder
        get_decoder set_decoder""",
    BOOKKEEPING: """register_for_auto_class add_model_tags model_tags retrieve_modules_from_names
        estimate_tokens floating_point_ops dummy_inputs is_custom_code is_remote_code
        get_expanded_tied_weights_keys mark_tied_weights_as_initialized
        generation_config_class input_modalities output_modalities
        warn_if_padding_and_no_attention_mask create_attention_mask""",
}
TORCH_ONLY = {name: reason for reason, names in REASONS.items() for name in names.split()}


def why_missing(owner: object, name: str) -> AttributeError | None:
    """Say why something of transformers' is not here, None for a name that it has not either."""
    reason = TORCH_ONLY.get(name)
    if reason is None:
        return None
    return AttributeError(f"{type(owner).__name__} has no {name}: numpygit {reason}")
