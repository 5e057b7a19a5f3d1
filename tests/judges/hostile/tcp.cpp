// expect: runtime_error
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
int main() { int s = socket(AF_INET, SOCK_STREAM, 0); if (s < 0) return 12; sockaddr_in a{}; a.sin_family = AF_INET; a.sin_port = htons(@PORT@); inet_pton(AF_INET, "127.0.0.1", &a.sin_addr); if (connect(s, (sockaddr *)&a, sizeof a)) return 13; write(s, "leak", 4); }
