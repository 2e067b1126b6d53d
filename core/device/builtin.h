// The seam where a program's built-in backends meet the registry.
//
// //:tenon defines builtin_backends() with the table of entries it links in (the CPU's); a program
// that wants others, or none, links its own definition instead. No static initialiser is involved.
#ifndef TENON_DEVICE_BUILTIN_H_
#define TENON_DEVICE_BUILTIN_H_

#include <span>

#include "tenon/abi/tenon_backend.h"

namespace tenon {

// Entries of the backends linked into this program, in search order.
std::span<const TenonEntryFn> builtin_backends();

}  // namespace tenon

#endif  // TENON_DEVICE_BUILTIN_H_
