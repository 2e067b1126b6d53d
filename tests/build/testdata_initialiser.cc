// A library with a static initialiser: //tests/build:initialiser_found_test expects that it is
// found.
#include <cstdlib>

int* kBad = static_cast<int*>(std::malloc(4));
