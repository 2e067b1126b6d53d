// SafetensorsHeader: the JSON part of a .safetensors file, read strictly and written canonically.
//
//   SafetensorsHeader h = read_safetensors_header(reader, options);  // reader now stands at the
//   data h.tensors (in the order of the data), h.metadata
//
// Checked: everything that safetensors.h promises, but the bytes of BOOLs, which are the data's.
// Errors: kFormat naming the file and the tensor.
#ifndef TENON_INTEROP_SAFETENSORS_HEADER_H_
#define TENON_INTEROP_SAFETENSORS_HEADER_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/interop/byte_reader.h"
#include "tenon/interop/safetensors.h"

namespace tenon::interop {

struct SafetensorsHeader {
  std::vector<SafetensorsInfo> tensors;
  std::map<std::string, std::string> metadata;
};

SafetensorsHeader read_safetensors_header(ByteReader& reader,
                                          const SafetensorsReadOptions& options);

// Length, JSON and padding: the bytes of the file up to the data. `tensors` are in order and have
// their offsets.
std::string safetensors_header_text(const std::vector<SafetensorsInfo>& tensors,
                                    const std::map<std::string, std::string>& metadata);

// One element type of the format. Those without a dtype are known by their size only.
struct SafetensorsType {
  std::string_view name;
  DType dtype;
  int bits;
};
// nullptr for a name that the format has not.
const SafetensorsType* safetensors_type(std::string_view name);
// nullptr where the format has no such type.
const SafetensorsType* safetensors_type(DType dtype);
bool is_safetensors_float8(const SafetensorsType& type);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_SAFETENSORS_HEADER_H_
