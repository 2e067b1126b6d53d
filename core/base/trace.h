// TENON_TRACE=1: remember where in the program tensors were written, for error messages.
//
// Off (the default) it costs one test of a flag. On, every in-place write captures a few return
// addresses; they are turned into function names (and lines, where addr2line is installed) only
// when an error needs them.
#ifndef TENON_BASE_TRACE_H_
#define TENON_BASE_TRACE_H_

#include <string>

namespace tenon::write_trace {

bool enabled();
// Notes that `object` (a storage) was written by the calling code.
void note_write(const void* object);
// " (written at main.cc:12)"; empty when tracing is off or nothing is known.
std::string last_write_text(const void* object);
// The object is gone; its address may be reused.
void forget(const void* object);

}  // namespace tenon::write_trace

#endif  // TENON_BASE_TRACE_H_
