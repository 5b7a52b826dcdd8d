// muon/version.hpp: the version of muon.cpp, for #if.
//
//     #if MUON_VERSION < MUON_MAKE_VERSION(0, 2, 0)
#pragma once

#define MUON_MAKE_VERSION(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))

#define MUON_VERSION MUON_MAKE_VERSION(0, 1, 0)
#define MUON_VERSION_STRING "0.1.0"
