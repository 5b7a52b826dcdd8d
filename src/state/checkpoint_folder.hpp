// A folder of checkpoints: their names, and which of them was written last.
//
// Each file tells its place in the order of writing in its own metadata ("sequence"), so that
// neither a clock that was set back nor a run that went back to an earlier step misleads, and no
// list beside the files can disagree with them. Files without it (of before it was written) are
// older than all that have it, and go by file time among themselves.
#pragma once

#include <cstdint>
#include <filesystem>

namespace muon::checkpoint {

/// "step-00000100.safetensors" in `folder`.
std::filesystem::path file_for(const std::filesystem::path& folder, std::int64_t step);

/// The sequence of the next checkpoint written to `folder`.
/// Cost     Reads the metadata of every checkpoint there, as all here.
std::int64_t next_sequence(const std::filesystem::path& folder);

/// Removes all but the `keep` written last, and never `written`.
void remove_older(const std::filesystem::path& folder, int keep,
                  const std::filesystem::path& written);

/// `where` if it is no folder, else the folder's newest. One whose metadata cannot be read counts
/// as the newest: to load an older one instead, silently, would lose steps.
/// Errors   std::runtime_error if there is none.
std::filesystem::path newest(const std::filesystem::path& where);

}  // namespace muon::checkpoint
