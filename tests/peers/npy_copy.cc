// npy_copy MODE IN OUT: reads a file with Tenon and writes it again; for npy_roundtrip.py.
//
// MODE: read, map (.npy); npz, npz_compressed, npz_map (.npz). Errors go to stderr, exit status 1.
#include <cstdio>
#include <string>
#include <vector>

#include "tenon/base/error.h"
#include "tenon/interop/npy.h"
#include "tenon/interop/npz.h"

namespace interop = tenon::interop;

namespace {

void copy(const std::string& mode, const std::string& in, const std::string& out) {
  if (mode == "read" || mode == "map") {
    interop::write_npy(out, mode == "read" ? interop::read_npy(in) : interop::map_npy(in));
    return;
  }
  if (mode == "npz" || mode == "npz_compressed") {
    interop::write_npz(out, interop::read_npz(in), {.compressed = mode == "npz_compressed"});
    return;
  }
  const interop::NpzReader reader(in);
  std::vector<interop::NpzEntry> arrays;
  for (const std::string& name : reader.names()) arrays.push_back({name, reader.map(name)});
  interop::write_npz(out, arrays);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: npy_copy read|map|npz|npz_compressed|npz_map IN OUT\n");
    return 2;
  }
  try {
    copy(argv[1], argv[2], argv[3]);
  } catch (const tenon::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
