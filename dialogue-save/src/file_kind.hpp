// What a file is that the user named.
#pragma once

#include "format.hpp"
#include "options.hpp"

namespace dialogue {

/// The format that --from names or that the file's content shows. Failure: nothing_found if it is
/// empty, unreadable if it is of no format that is read; the text says of which assistant it is,
/// where that can be told.
const Format& format_of(const Options& options);

}  // namespace dialogue
