// What the words of names mean to those who name layers.
#pragma once

#include "plan/name_parts.hpp"

#include <string_view>

namespace muon {

// ---- a module around the layer ----

bool says_attention(const Words& words);
bool says_feed_forward(const Words& words);
/// "embed_tokens", "patch_embeddings", but not "embedder", which is a network.
bool says_embedding(const Words& words);

/// Whether output layers are below it: "classifier", "policy_head", "actor", "final_layer".
bool says_head_around(std::string_view component);

// ---- a layer ----

bool says_normalization(const Words& words);

/// "embed", "tok_embeddings", "lut": a table, if no other word makes it a projection.
bool says_table(const Words& words);
/// "value_embeds", "embedding_list": several tables.
bool says_tables(const Words& words);
/// "reg_token", "latents", "pos": learned tokens, queries and positions that a block registers.
bool says_token(const Words& words);
/// A word that is a table's among embeddings alone: "embeddings.word".
bool says_kind_of_embedding(const Words& words);
/// "relative_attention_bias", "rel_pos_h"
bool says_relative_position(const Words& words);
/// "proj", "linear", "fc": a matrix, whatever the words beside it.
bool says_projection(const Words& words);
/// A matrix, by the word that says what it is: "q_proj", "to_v", "dense_h_to_4h", "down".
bool says_matrix(const Words& words);

/// The three degrees in which a layer is called a head: a name that no other layer has ("lm_head",
/// "logits"); one that hidden layers have as well ("score", "actor", "decoder"); and one that is as
/// often the output of a part of the network ("out_proj").
enum class HeadName { none, certain, usual, ambiguous };
HeadName head_name(std::string_view layer);

// ---- a parameter that a block registers itself ----

bool says_bias(std::string_view local);
bool says_gain(std::string_view local);
/// "A_log", "log_dt", "D", "time_decay": a state-space model's or a linear attention's.
bool says_state_space(std::string_view local);
/// "q", "w1", "W_Q", "text_projection"
bool is_bare_matrix(std::string_view local);

}  // namespace muon
