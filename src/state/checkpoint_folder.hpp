// A folder of checkpoints: their names, and finding the one that was written last.
//
// Each file stores its place in the order of writing in its own metadata ("sequence"), so that
// neither a clock that was set back nor a run that was resumed from an earlier step is misleading,
// and no separate list can contradict the files. Files without it come from older versions: they
// count as older than all others, and are ordered by file time.
#pragma once

#include <cstdint>
#include <filesystem>

namespace muon::checkpoint {

/// "step-00000100.safetensors" in `folder`.
std::filesystem::path file_for(const std::filesystem::path& folder, std::int64_t step);

/// The sequence of the next checkpoint written to `folder`.
/// Cost     Reads the metadata of every checkpoint in the folder, as all functions here do.
std::int64_t next_sequence(const std::filesystem::path& folder);

/// Removes all but the last `keep` checkpoints, and never `written`.
void remove_older(const std::filesystem::path& folder, int keep,
                  const std::filesystem::path& written);

/// `where` if it is not a folder, else the folder's newest checkpoint. One with unreadable metadata
/// counts as the newest: silently loading an older one would lose steps.
/// Errors   std::runtime_error if there is none.
std::filesystem::path newest(const std::filesystem::path& where);

}  // namespace muon::checkpoint
