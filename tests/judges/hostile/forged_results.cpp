// expect: runtime_error
#include <cstring>
#include <unistd.h>
int main() { char forged[64]; memset(forged, 0, sizeof forged); for (int fd = 3; fd < 1024; fd++) if (write(fd, forged, sizeof forged) > 0) return 0; return 24; }
