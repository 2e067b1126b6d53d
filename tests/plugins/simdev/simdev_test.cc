// Proves that simdev is what it says: late, in order, strict, and out of the host's reach. Runs on the kit's
// interpreter and holds streams instead of measuring time.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tenon/plugins/simdev/simdev_ops_include.h"
